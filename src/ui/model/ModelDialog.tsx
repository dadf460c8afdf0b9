import type { CardValue, ModelCard } from '../../core/analysis/card.ts';
import type { PortabilityIssue } from '../../core/analysis/portability.ts';
import type { LoadedModel } from '../../state/model-slice.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import controls from '../components/controls.module.css';
import { Modal } from '../components/Modal.tsx';
import { Note } from '../components/Note.tsx';
import { formatBytes, formatCompact, formatCount, formatShape, plural } from '../format.ts';
import { Bars } from './Bars.tsx';
import styles from './model.module.css';
import { SampleOrigin } from './SampleOrigin.tsx';

/** Everything that can be said about the model without running it. */
export function ModelDialog() {
  const open = useStudio((state) => state.panel === 'model');
  const model = useStudio((state) => state.model);
  return (
    <Modal
      open={open && model !== null}
      onClose={() => studio.getState().openPanel(null)}
      title={model?.title ?? 'Model'}
    >
      {model && <Card model={model} />}
    </Modal>
  );
}

function Card({ model }: { readonly model: LoadedModel }) {
  const { card } = model;
  const sample = useStudio(({ samples }) => samples?.find(({ id }) => id === model.sampleId));
  return (
    <div className={styles.card}>
      {sample && <SampleOrigin sample={sample} />}
      <Facts model={model} />
      <Values title="Inputs" values={card.inputs} />
      <Values title="Outputs" values={card.outputs} />
      <PortabilityList card={card} />
      <Weights card={card} />
      <section className={styles.block}>
        <h3>Operators</h3>
        <Bars
          items={card.ops.map(({ op, count }) => ({ label: op, value: count, text: formatCount(count) }))}
          limit={12}
          noun="operator"
        />
      </section>
      <Remarks card={card} />
    </div>
  );
}

function Facts({ model }: { readonly model: LoadedModel }) {
  const { card } = model;
  const opsets = Object.entries(card.opsets).map(([domain, version]) => `${domain} ${version}`);
  const rows: readonly (readonly [string, string])[] = [
    ['File', `${model.name}, ${formatBytes(model.fileBytes)}`],
    ...(model.ref.kind === 'hub'
      ? [['From', `${model.ref.repo}, ${model.ref.path}, commit ${model.ref.revision.slice(0, 7)}`] as const]
      : []),
    ...(model.about ? [['Architecture', model.about] as const] : []),
    ['Parameters', `${formatCompact(card.weights.parameters)} (${formatCount(card.weights.parameters)})`],
    [
      'Nodes',
      card.nodes.all === card.nodes.main
        ? formatCount(card.nodes.all)
        : `${formatCount(card.nodes.main)}, ${formatCount(card.nodes.all)} with subgraphs and functions`,
    ],
    ['Kind', kindText(card)],
    ['Quantized', quantizationText(card)],
    ['Producer', card.producer || 'not named'],
    ['Opsets', `${opsets.join(', ')} (IR version ${card.irVersion})`],
    ...(card.functions.length > 0 ? [['Functions', card.functions.slice(0, 8).join(', ')] as const] : []),
    ...(card.cost
      ? [['Work of one run', `${formatCompact(card.cost.macs)} multiply-accumulates (predicted)`] as const]
      : []),
    ...(card.activations
      ? [['Peak activations', `${formatBytes(card.activations.peakBytes)} (predicted)`] as const]
      : []),
  ];
  return (
    <dl className={styles.facts}>
      {rows.map(([term, text]) => [<dt key={`${term}-t`}>{term}</dt>, <dd key={`${term}-d`}>{text}</dd>])}
    </dl>
  );
}

function kindText({ architecture }: ModelCard): string {
  const { kind, attentionBlocks, depthwiseConvolutions, hasKeyValueCache } = architecture;
  const details = [
    ...(attentionBlocks > 0 ? [plural(attentionBlocks, 'attention block')] : []),
    ...(depthwiseConvolutions > 0 ? [plural(depthwiseConvolutions, 'depthwise convolution')] : []),
    ...(hasKeyValueCache ? ['key/value cache'] : []),
  ];
  return details.length > 0 ? `${kind} (${details.join(', ')})` : kind;
}

function quantizationText({ quantization }: ModelCard): string {
  if (!quantization.isQuantized) return 'no';
  const bits = quantization.weightBits.length > 0 ? `, ${quantization.weightBits.join(' and ')} bits` : '';
  return `already: ${quantization.schemes.join(', ')}${bits}`;
}

function Values({ title, values }: { readonly title: string; readonly values: readonly CardValue[] }) {
  return (
    <section className={styles.block}>
      <h3>{title}</h3>
      <div className={styles.scroll}>
        <table className={styles.table}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col">Type</th>
              <th scope="col">Shape</th>
            </tr>
          </thead>
          <tbody>
            {values.map(({ name, kind, dtype, shape }) => (
              <tr key={name}>
                <td>{name}</td>
                <td>{kind === 'tensor' ? (dtype ?? 'unknown') : kind}</td>
                <td>{kind === 'tensor' ? formatShape(shape) : ''}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const PROVIDER_NAMES = { wasm: 'WASM', webgpu: 'WebGPU', webnn: 'WebNN', cpu: 'CPU (native)' } as const;

const VERDICTS: Readonly<Record<PortabilityIssue['verdict'], string>> = {
  'no-kernel': 'does not run',
  'falls-back': 'runs on the CPU instead',
  'wrong-result': 'gives wrong results',
  'needs-feature': 'needs a device feature',
  'other-precision': 'runs in another precision',
  unknown: 'not known',
};

function PortabilityList({ card }: { readonly card: ModelCard }) {
  const providers = ['wasm', 'webgpu', 'webnn', 'cpu'] as const;
  return (
    <section className={styles.block}>
      <h3>What will not run where</h3>
      <div className={styles.scroll}>
        <table className={styles.table}>
          <tbody>
            {providers.flatMap((provider) => {
              const issues = card.portability[provider];
              if (issues.length === 0)
                return [
                  <tr key={provider}>
                    <th scope="row">{PROVIDER_NAMES[provider]}</th>
                    <td colSpan={2}>nothing known against it</td>
                  </tr>,
                ];
              return issues.map((issue, index) => (
                <tr key={`${provider}/${issue.op}/${issue.verdict}`}>
                  {index === 0 && (
                    <th scope="rowgroup" rowSpan={issues.length}>
                      {PROVIDER_NAMES[provider]}
                    </th>
                  )}
                  <td>
                    {issue.count} × {issue.op}
                  </td>
                  <td>
                    {VERDICTS[issue.verdict] ?? issue.verdict}: {issue.reason}
                  </td>
                </tr>
              ));
            })}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Weights({ card }: { readonly card: ModelCard }) {
  const { weights } = card;
  const groups = Object.entries(weights.byDType).sort((a, b) => b[1].bytes - a[1].bytes);
  return (
    <section className={styles.block}>
      <h3>
        Weights: {formatBytes(weights.bytes)} in {plural(weights.tensors, 'tensor')}
      </h3>
      <Bars
        items={groups.map(([dtype, { bytes, tensors }]) => ({
          label: `${dtype}, ${plural(tensors, 'tensor')}`,
          value: bytes,
          text: formatBytes(bytes),
        }))}
        limit={8}
        noun="type"
      />
      {weights.externalBytes > 0 && (
        <p className={controls.hint}>{formatBytes(weights.externalBytes)} of them lie in files beside the model.</p>
      )}
      <details>
        <summary>The largest tensors</summary>
        <Bars
          items={weights.largest.map(({ name, dtype, dims, bytes }) => ({
            label: name,
            value: bytes,
            text: formatBytes(bytes),
            title: `${name}: ${dtype} ${formatShape(dims)}`,
          }))}
          limit={10}
          noun="tensor"
        />
      </details>
    </section>
  );
}

function Remarks({ card }: { readonly card: ModelCard }) {
  const metadata = Object.entries(card.metadata);
  return (
    <>
      {card.description && (
        <section className={styles.block}>
          <h3>Description</h3>
          <p>{card.description}</p>
        </section>
      )}
      {card.notes.map(({ value, text }) => (
        <Note key={`${value}/${text}`} level="warning">
          {value}: {text}
        </Note>
      ))}
      {metadata.length > 0 && (
        <details>
          <summary>{plural(metadata.length, 'metadata property', 'metadata properties')}</summary>
          <dl className={styles.facts}>
            {metadata.map(([key, value]) => [
              <dt key={`${key}-t`}>{key}</dt>,
              <dd key={`${key}-d`} className={styles.metadata}>
                {value.length > 400 ? `${value.slice(0, 400)} …` : value}
              </dd>,
            ])}
          </dl>
        </details>
      )}
    </>
  );
}
