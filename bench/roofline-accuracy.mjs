// How well the roofline predicts: predicted against measured time in the nodes of the samples, by the command line tool.
//   node bench/roofline-accuracy.mjs [--provider wasm] [--samples ocr-rec,lm-target] [--preset int8-dynamic]
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    provider: { type: 'string', default: 'cpu' },
    samples: {
      type: 'string',
      default: 'ocr-rec,ocr-det,ocr-cls,fashion-mobile,fashion-resnet,fashion-vit,lm-target,tagger',
    },
    preset: { type: 'string' },
  },
});
const tool = fileURLToPath(new URL('../dist-node/whittle.js', import.meta.url));

console.log(
  '| sample | variant | predicted ms | with starting ms | measured ms | ratio | time within 2x | latency ms |',
);
console.log('|---|---|---|---|---|---|---|---|');
for (const sample of values.samples.split(',')) {
  const preset = values.preset ? ['--preset', values.preset] : [];
  const args = ['roofline', '--sample', sample, '--provider', values.provider, ...preset, '--json', '-'];
  const json = JSON.parse(
    execFileSync(process.execPath, [tool, ...args], { maxBuffer: 2 ** 30, stdio: ['ignore', 'pipe', 'ignore'] }),
  );
  for (const { name, nodes, predictedUs, predictedWithOverheadUs, measuredUs, latencyMs } of json.variants) {
    const { overheadUs } = json.roof;
    const isNear = ({ predictedUs: us, node }) => {
      const ratio = (us + node.calls * overheadUs) / node.medianUs;
      return us !== null && ratio > 0.5 && ratio < 2;
    };
    const total = nodes.reduce((sum, { node }) => sum + node.medianUs, 0);
    const near = nodes.filter(isNear).reduce((sum, { node }) => sum + node.medianUs, 0);
    const ms = (us) => (us / 1000).toFixed(us < 10_000 ? 2 : 1);
    const cells = [ms(predictedUs), ms(predictedWithOverheadUs), ms(measuredUs), (predictedUs / measuredUs).toFixed(2)];
    console.log(
      `| ${[sample, name, ...cells, `${Math.round((100 * near) / total)} %`, latencyMs.toFixed(2)].join(' | ')} |`,
    );
  }
}
