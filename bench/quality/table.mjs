// Makes docs/QUANTIZATION-TABLE.md from the results of ours.mjs and judge-reference.mjs.
// Usage: node bench/quality/table.mjs OURS.jsonl REFERENCE.jsonl ["what the machine was"]
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { methods } from './methods.mjs';
import { subjects } from './subjects.mjs';

const [oursPath, referencePath, machine = 'machine not named'] = process.argv.slice(2);
if (!referencePath) throw new Error('usage: node bench/quality/table.mjs OURS.jsonl REFERENCE.jsonl ["machine"]');
const read = (path) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
const ours = read(oursPath);
const references = read(referencePath);

/**
 * What one setting scatters by when nothing but chance differs, so that smaller differences say nothing: bits per byte
 * from repeated quantization (notes on GPTQ: 0.003 to 0.005), shares from n samples (about one standard error of a
 * paired difference at n = 2000).
 */
const metrics = {
  'bits-per-byte': { title: 'bits/byte', lower: true, noise: 0.005, show: (value) => value.toFixed(4) },
  top1: { title: 'top-1', lower: false, noise: 0.005, show: (value) => `${(100 * value).toFixed(2)} %` },
  'token-accuracy': { title: 'accuracy', lower: false, noise: 0.005, show: (value) => `${(100 * value).toFixed(2)} %` },
  cer: { title: 'CER', lower: true, noise: 0.004, show: (value) => `${(100 * value).toFixed(2)} %` },
};

const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
const seconds = (value) => (value === undefined ? '' : value < 0.095 ? value.toFixed(2) : value.toFixed(1));
const verdicts = { better: 0, equal: 0, worse: 0 };

function compare(metric, own, reference, fp32) {
  if (own.error || !reference || reference.error) return '';
  const { lower, noise } = metrics[metric];
  const gain = (reference.value - own.value) * (lower ? 1 : -1);
  const loss = Math.abs(own.value - fp32.value);
  const tolerance = Math.max(noise, 0.05 * loss);
  // Less than two thirds of the size is another trade, whichever way the metric goes.
  if (own.bytes < 0.67 * reference.bytes && gain < -tolerance) return 'smaller';
  const word = gain > tolerance ? 'better' : gain < -tolerance ? 'worse' : 'equal';
  verdicts[word] += 1;
  return word;
}

function section({ id }) {
  const rows = ours.filter((row) => row.model === id);
  const fp32 = rows.find(({ method }) => method === 'fp32');
  if (!fp32) return '';
  const { title, lower, show } = metrics[fp32.metric];
  const parameters = fp32.bytes / 4;
  const lines = methods.flatMap((method) => {
    const own = rows.find((row) => row.method === method.id);
    if (!own) return [];
    const reference = references.find((row) => row.model === id && row.method === method.reference);
    const theirs = !method.reference
      ? '| | | | |'
      : !reference
        ? `| ${method.reference} | not run | | |`
        : reference.error
          ? `| ${method.reference} | fails: ${reference.error.replaceAll('|', '\\|').slice(0, 80)} | | |`
          : `| ${method.reference} | ${show(reference.value)} | ${megabytes(reference.bytes)} | ${seconds(reference.seconds)} |`;
    if (own.error) return [`| ${method.title} | ${own.error.replaceAll('|', '\\|')} | | | | ${theirs} |`];
    const loss = (own.value - fp32.value) * (lower ? 1 : -1);
    const bits = ((8 * own.bytes) / parameters).toFixed(2);
    const word = compare(fp32.metric, own, reference, fp32);
    return [
      `| ${method.title} | ${bits} | ${megabytes(own.bytes)} | ${show(own.value)} | ${show(loss)} | ${seconds(own.seconds)} ${theirs} ${word} |`,
    ];
  });
  return `
## ${id}: ${title}, ${lower ? 'lower' : 'higher'} is better, n = ${fp32.n}

| method | bits/parameter | MB | ${title} | loss | s | reference | ${title} | MB | s | ours is |
|---|---|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

const sections = subjects.map(section).join('');
writeFileSync(
  fileURLToPath(new URL('../../docs/QUANTIZATION-TABLE.md', import.meta.url)),
  `# Quantization, method by method, beside the reference tools

Made by three commands, in this order; do not edit:

    node bench/quality/export-inputs.mjs INPUTS && python bench/reference/quality.py INPUTS REFERENCE
    node bench/quality/judge-reference.mjs REFERENCE reference.jsonl && node bench/quality/ours.mjs ours.jsonl
    node bench/quality/table.mjs ours.jsonl reference.jsonl "${machine}"

Every figure is measured: the file as it is saved, the task's metric on that file run by onnxruntime-node (native, level
all), the seconds that the quantization steps alone took. Reference files are judged by the same task and runtime.
"ort-..." are onnxruntime 1.30's Python quantizers with their defaults (after \`quant_pre_process\`); "torch-..." are GPTQ,
AWQ and RTN written in torch from the papers, float32 files with rounded weights, their MB computed. Seconds: the
reference's HQQ, k-quant, GPTQ and AWQ computed on a GPU where one is there, ours never; several models ran at once, and
the two lists in runs of their own, so seconds are indications (bench/README.md has ratios within one run). Bits per parameter
are of the whole file, what stays in float32 included. MatMulNBits runs 2, 4 and 8 bits, so 3-bit codes are stored in 4.
"equal": the difference is below what chance alone makes (0.005 bits per byte, half a point of accuracy, 0.4 points of
CER, or a twentieth of the loss itself). "smaller": worse by more than that, in less than two thirds of the bytes. Machine: ${machine}.

Of the comparisons below ours is better in ${verdicts.better}, equal in ${verdicts.equal} and worse in ${verdicts.worse}.
${sections}`,
);
console.log(`${verdicts.better} better, ${verdicts.equal} equal, ${verdicts.worse} worse`);
