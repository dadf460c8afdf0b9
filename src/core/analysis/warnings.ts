/** What will keep a model from running anywhere, and what to do about it: known before anything is built or run. */
import type { Model } from '../ir/types.ts';
import { forEachNode, isDefaultDomain } from '../ir/walk.ts';
import type { ShapeTable } from '../shape/types.ts';

export interface ModelWarning {
  readonly text: string;
  readonly advice: string;
}

/** onnxruntime 1.30 (onnxruntime/core/graph/model.h and its messages): kernels begin at 7, models are refused above 26. */
const OLDEST_OPSET = 7;
const NEWEST_OPSET = 26;

/** @param shapes inferred for this model: an input whose rank its operators tell needs no warning */
export function modelWarnings(model: Model, shapes: ShapeTable): ModelWarning[] {
  return [...opsetWarnings(model), ...rankWarnings(model, shapes)];
}

function opsetWarnings(model: Model): ModelWarning[] {
  const opset = model.opsetImports.get('') ?? model.opsetImports.get('ai.onnx');
  if (opset === undefined) {
    let usesDefault = false;
    forEachNode(model, ({ domain }) => {
      usesDefault ||= isDefaultDomain(domain);
    });
    if (!usesDefault) return [];
    return [
      {
        text: 'The file does not say which opset it is written in, so ONNX Runtime will not load it.',
        advice: 'Export it again with its opset stated.',
      },
    ];
  }
  if (opset > NEWEST_OPSET)
    return [
      {
        text: `The file says opset ${opset}; ONNX Runtime 1.30 knows ${NEWEST_OPSET} at most and will not load it.`,
        advice: `Export it for an opset up to ${NEWEST_OPSET}; 17 to 21 run in most places.`,
      },
    ];
  if (opset < OLDEST_OPSET)
    return [
      {
        text: `Opset ${opset} is older than what ONNX Runtime has kernels for (${OLDEST_OPSET} and newer): some operators may not run.`,
        advice: 'Switch on the step “Raise the opset”, or export it for opset 17 or newer.',
      },
    ];
  return [];
}

function rankWarnings({ graph }: Model, shapes: ShapeTable): ModelWarning[] {
  const unknown = graph.inputs.filter(({ name, type }) => {
    if (graph.initializers.has(name) || (type && type.kind !== 'tensor')) return false;
    return shapes.get(name)?.shape === undefined && type?.shape === undefined;
  });
  if (unknown.length === 0) return [];
  const names = unknown.map(({ name }) => name).join(', ');
  return [
    {
      text: `The file does not say how many dimensions ${names} ${unknown.length === 1 ? 'has' : 'have'}.`,
      advice:
        'Give the sizes in the task, or your own arrays, before running: random inputs are single numbers until then.',
    },
  ];
}
