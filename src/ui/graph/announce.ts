/** A box in a sentence, for those who hear the graph. */
import type { GraphScope } from '../../core/graph-view/document.ts';
import { type ColourMode, figureText } from './colour-modes.ts';

export function describeBox({ nodes, groups, groupOf }: GraphScope, index: number, mode: ColourMode): string {
  const { op, name, types, inputs, weights, inner } = nodes[index]!;
  const group = groupOf[index]!;
  const figure = figureText(mode, nodes[index]!);
  return [
    `${op} ${name}.`,
    types[0] ? `Gives ${types[0]}.` : '',
    `${inputs.length} inputs, ${weights.length} weights.`,
    figure === '' ? '' : `${mode.title}: ${figure}.`,
    inner.length > 0 ? `Holds ${inner.map(({ label }) => label).join(', ')}: Enter goes in.` : '',
    group >= 0 ? `In ${groups[group]!.path}.` : '',
  ]
    .filter(Boolean)
    .join(' ');
}

export function describeGroup({ groups }: GraphScope, index: number, open: ReadonlySet<string>): string {
  const { title, nodes, kind, instances, path, summary } = groups[index]!;
  const what = kind === 'repeat' ? `${instances} equal blocks` : 'Group';
  return `${what} ${title}, ${nodes} nodes: ${summary}. ${open.has(path) ? 'Open' : 'Closed'}.`;
}
