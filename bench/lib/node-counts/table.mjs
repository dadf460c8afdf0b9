// docs/OPTIMIZATION-TABLE.md from the measured rows.
import { stripVTControlCharacters } from 'node:util';
import { judge, resultsOf } from './verdict.mjs';

const groups = [
  ['torchscript', 'Exported by TorchScript, attention written out'],
  ['torchscript-sdpa', 'Exported by TorchScript, scaled_dot_product_attention'],
  ['dynamo', 'Exported by dynamo'],
  ['dynamo-23', 'Exported by dynamo at opset 23'],
  ['samples', 'Samples and models from npm'],
];

/** Of attention in any form. */
const attentionOps = [
  ...['com.microsoft:MultiHeadAttention', 'com.microsoft:Attention', 'com.microsoft:GroupQueryAttention', 'Attention'],
];

export function tableText({ rows, competitors, failed, latency }) {
  const judged = rows.map((row) => {
    const results = resultsOf(row, competitors.models[row.name] ?? {});
    return {
      row,
      results,
      ...judge(row, results),
      wasm: latency.wasm?.models[row.name],
      webgpu: latency.webgpu?.models[row.name],
    };
  });
  const sections = groups.flatMap(([group, title]) => {
    const own = judged.filter(({ row }) => row.group === group);
    return own.length === 0 ? [] : ['', `## ${title}`, '', ...section(own, group)];
  });
  return `${[...head(judged, competitors, latency), ...sections, ...notes(judged, failed)].join('\n')}\n`;
}

function head(judged, competitors, latency) {
  const of = (wanted) => judged.filter(({ verdict }) => verdict === wanted);
  const names = (list) => list.map(({ row }) => row.name).join(', ') || 'none';
  const [lost, failures] = [of('lost'), of('failed')];
  const { versions, notInstalled } = competitors;
  return [
    '# What Whittle leaves of a model, beside other optimizers',
    '',
    'Made by `node bench/node-counts.mjs` from models that `python bench/models/export.py .cache/exports` exports (small',
    'random weights, real patterns; seeded, so not committed) and `python bench/models/competitors.py .cache/exports',
    `bench/models/competitors.json.gz\` (torch ${versions.torch}, transformers ${versions.transformers}, timm ${versions.timm}, torchvision ${versions.torchvision}, onnxruntime`,
    `${versions.onnxruntime}, onnxscript ${versions.onnxscript}).${notInstalled.length ? ` ${notInstalled.join(' and ')} could not be installed where the exports were made: what is said below is of the tools that were run.` : ''}`,
    '',
    `**${judged.length} models: Whittle leaves the fewest nodes on ${of('lowest').length}, as few as the best on ${of('tie').length}, more than the best on ${lost.length}${failures.length ? `, and fails on ${failures.length}` : ''}.**`,
    '',
    `- Lost: ${names(lost)}.`,
    ...(failures.length ? [`- Failed: ${names(failures)}.`] : []),
    ...latencyHead('WASM', 'wasm', judged, latency.wasm),
    ...latencyHead('WebGPU', 'webgpu', judged, latency.webgpu),
    '',
    'How it is counted: nodes of the graph, of its subgraphs and of functions; Constant nodes count for everybody. Whittle is',
    'the `simplify` preset with its defaults; "portable" is the same with standard operators alone. "ORT" is what onnxruntime',
    'saves at level extended (level all adds layout operators of the processor it ran on). "ORT tf" is the best of',
    '`onnxruntime.transformers.optimizer` at opt_level 0, 1 and 2 with the right model type; "onnxscript" the best of its optimizer and its',
    'onnxruntime fusions. A number in ~~strikes~~ does not count, because the result does not run or its outputs are wrong',
    '(more than 1e-3 of their range, or four times what the optimizer of onnxruntime moves them, where that is more). "error" is the largest difference of any output element from the unoptimized model over',
    'the largest magnitude of that output, run by onnxruntime without further optimization; "torch" the same from what torch',
    'computed. "ms" is read, all steps and write, in Node, once, on a shared machine. "WASM" and "WebGPU" are ratios of median',
    'latencies, ours to the original, both optimized by onnxruntime at level all. Bold: we lose.',
  ];
}

function latencyHead(title, kind, judged, latency) {
  if (!latency) return [];
  const measured = judged.filter((one) => one[kind]?.ratio !== undefined);
  const slower = measured.filter((one) => one[kind].ratio > 1.05);
  const failed = judged.filter((one) => one[kind]?.failure !== undefined);
  const middle = measured.map((one) => one[kind].ratio).sort((a, b) => a - b)[measured.length >> 1];
  const listed = (list, text) => list.map((one) => `${one.row.name} ${text(one[kind])}`).join(', ') || 'none';
  return [
    `- Latency on ${title} (${latency.conditions}): median ratio to the original ${middle?.toFixed(2)} over ${measured.length} models; ${measured.filter((one) => one[kind].ratio > 1).length} are above 1.00, ${measured.filter((one) => one[kind].ratio > 1.02).length} above 1.02, the highest ${Math.max(...measured.map((one) => one[kind].ratio)).toFixed(3)} (two runs of one and the same model differ by 1 to 2 %); slower by more than 5 %: ${listed(slower, ({ ratio }) => ratio.toFixed(2))}.${failed.length > 0 ? ` Not measured: ${listed(failed, ({ failure }) => `(${short(failure)})`)}.` : ''}`,
  ];
}

function section(own, group) {
  const lines = [
    '| model | before | Whittle | portable | ORT | ORT tf | onnxscript | onnxsim | best other | error | torch | ms | WASM | WebGPU |',
    '|---|---|---|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  for (const { row, results, best, verdict, wasm, webgpu } of own) {
    const name = row.name.replace(new RegExp(`\\.${group}$`), '');
    const lost = verdict === 'lost' || verdict === 'failed';
    const cells = [
      lost ? `**${name}**` : name,
      row.before,
      lost ? `**${row.whittle?.nodes ?? 'failed'}**` : row.whittle.nodes,
      row.portable?.nodes ?? 'failed',
      ...[results.ort, results.transformers, results.onnxscript, results.onnxsim].map(nodesText),
      best ? `${best.nodes} ${best.tool}${verdict === 'tie' ? ' (tie)' : ''}` : '',
      errorText(row.whittle),
      row.whittle?.torchError === undefined ? '' : row.whittle.torchError.toExponential(0),
      row.whittle ? Math.round(row.whittle.ms) : '',
      ratioText(wasm),
      ratioText(webgpu),
    ];
    lines.push(`| ${cells.join(' | ')} |`);
  }
  return lines;
}

const nodesText = (result) => (result === undefined ? '–' : result.counts ? `${result.nodes}` : `~~${result.nodes}~~`);

function ratioText(found) {
  if (found?.ratio === undefined) return '';
  return found.ratio > 1.05 ? `**${found.ratio.toFixed(2)}**` : found.ratio.toFixed(2);
}

function errorText(whittle) {
  if (whittle === undefined || whittle.doesNotRun) return 'does not run';
  if (whittle.error === undefined) return '';
  return whittle.error === 0 ? '0' : whittle.error.toExponential(0);
}

function unfused(judged) {
  const isWritten = ({ row: { whittle } }) =>
    (whittle?.histogram?.Softmax ?? 0) >= 2 && !attentionOps.some((op) => op in whittle.histogram);
  return (
    judged
      .filter(isWritten)
      .map(({ row }) => row.name)
      .join(', ') || 'none'
  );
}

function notes(judged, failed) {
  const broken = judged.filter(({ row }) => row.failures.original !== undefined);
  const drift = judged.filter(({ row }) => row.torchError > 1e-3);
  return [
    '',
    '## Notes',
    '',
    `- Two Softmax or more and no attention operator are left in: ${unfused(judged)}. Models with`,
    `  each operator: ${attentionOps.map((op) => `${op} ${judged.filter(({ row }) => op in (row.whittle?.histogram ?? {})).length}`).join(', ')}. GroupQueryAttention has no input for`,
    '  the padding masks that these exports have.',
    '- Steps that are off by default are not in the table: raise-opset, tie-transposed, fuse-embed-norm.',
    '- Samples and npm models: `node bench/models/samples.mjs FOLDER` writes them as competitors.py takes them; none has a',
    '  model type of `onnxruntime.transformers.optimizer`.',
    ...failed.map(
      ({ architecture, exporter, error }) => `- ${architecture} could not be exported by ${exporter}: ${short(error)}`,
    ),
    ...broken.map(
      ({ row }) => `- ${row.name}: onnxruntime cannot run the export itself: ${short(row.failures.original)}`,
    ),
    ...drift.map(
      ({ row }) =>
        `- ${row.name}: the export itself is ${row.torchError.toExponential(1)} away from torch, before any optimization.`,
    ),
    ...judged
      .filter(({ verdict }) => verdict === 'failed')
      .map(({ row }) => `- ${row.name} FAILED: ${JSON.stringify(row.failures)}`),
  ];
}

/** The first sentence, without the colours that exporters write. */
const short = (text) =>
  stripVTControlCharacters(text)
    .split(/(?<=[.!]) /)[0]
    .slice(0, 200);
