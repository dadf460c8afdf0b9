/** Chosen and excluded nodes as arguments of a Python call. */
import { list, type Params } from './plan.ts';
import { code, type PythonValue, python } from './python.ts';

export function hasSelection(params: Params): boolean {
  return list(params, 'include').length + list(params, 'exclude').length > 0;
}

/** @param source the expression for the model's path; the script must have the helper `leftOut` */
export function selection(params: Params, source: string): Record<string, PythonValue> {
  if (!hasSelection(params)) return {};
  const [include, exclude] = [python([...list(params, 'include')]), python([...list(params, 'exclude')])];
  return { nodes_to_exclude: code(`left_out(${source}, ${include}, ${exclude})`) };
}
