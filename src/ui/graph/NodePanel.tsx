import { ArrowDown, ArrowUp, LogIn, X } from 'lucide-react';
import { type ReactNode, useEffect, useMemo, useState } from 'react';
import { type ErrorRecord, toErrorRecord } from '../../core/base/errors/index.ts';
import type { GraphNode, WeightRef } from '../../core/graph-view/document.ts';
import type { NodeDetail } from '../../core/graph-view/node-detail.ts';
import { producers } from '../../core/graph-view/visible.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import { Button } from '../components/Button.tsx';
import { ErrorNote } from '../components/Note.tsx';
import { formatBytes, formatCompact, plural } from '../format.ts';
import { type ColourMode, figureText } from './colour-modes.ts';
import styles from './graph.module.css';
import { madeBy } from './made-by.ts';
import { WeightView } from './WeightView.tsx';

interface NodePanelProps {
  readonly graph: VariantGraph;
  readonly scopeIndex: number;
  readonly node: number;
  readonly modes: readonly ColourMode[];
  readonly onGo: (place: { scope: number; node: number }) => void;
  readonly onEnter: (scope: number) => void;
  readonly onClose: () => void;
}

/** Everything about one node. */
export function NodePanel({ graph, scopeIndex, node: index, modes, onGo, onEnter, onClose }: NodePanelProps) {
  const scope = graph.document.scopes[scopeIndex]!;
  const node = scope.nodes[index]!;
  const { detail, error } = useDetail(graph, scopeIndex, node);
  const go = (to: number) => onGo({ scope: scopeIndex, node: to });
  const figures = modes.filter((mode) => mode.id !== 'macs' && mode.id !== 'bytes');
  const origin = useMemo(() => madeBy(graph.ledger, node), [graph, node]);
  const group = scope.groupOf[index]!;
  return (
    <aside className={styles.panel} aria-label={`Node ${node.name}`}>
      <header className={styles.panelHead}>
        <h3>{node.op}</h3>
        <Button icon look="quiet" aria-label="Close this panel" onClick={onClose}>
          <X size={15} />
        </Button>
      </header>
      <p className={styles.mono}>{node.name}</p>
      {group >= 0 && <p className={styles.hint}>in {scope.groups[group]!.path}</p>}
      {node.inner.map(({ label, scope: inner }) => (
        <Button key={inner} onClick={() => onEnter(inner)}>
          <LogIn size={15} aria-hidden /> Enter {label} ({plural(graph.document.scopes[inner]!.nodes.length, 'node')})
        </Button>
      ))}
      {node.kind === 'op' && (
        <dl className={styles.facts}>
          <Fact term="MACs" value={node.macs === null ? 'unknown: a size is not known' : formatCompact(node.macs)} />
          <Fact
            term="Read and written"
            value={node.bytes === null ? 'unknown: a size is not known' : formatBytes(node.bytes)}
          />
          {figures.map((mode) => (
            <Fact key={mode.id} term={mode.title} value={figureText(mode, node)} />
          ))}
        </dl>
      )}
      {error && <ErrorNote error={error} />}
      {detail && detail.attributes.length > 0 && (
        <Block title="Attributes">
          <dl className={styles.facts}>
            {detail.attributes.map(({ name, text }) => (
              <Fact key={name} term={name} value={text} mono />
            ))}
          </dl>
        </Block>
      )}
      <Values graph={graph} scopeIndex={scopeIndex} node={node} detail={detail} onGo={go} />
      {origin.length > 0 && (
        <Block title="Made by">
          <ul className={styles.origin}>
            {origin.map(({ title, action, from }, at) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a step may do the same twice
              <li key={at}>
                <strong>{title}</strong>: {action}
                {from.length > 0 && <span className={styles.hint}> from {listed(from)}</span>}
              </li>
            ))}
          </ul>
        </Block>
      )}
      {detail && (detail.docString !== '' || detail.metadata.length > 0 || detail.domain !== '') && (
        <Block title="More">
          {detail.docString !== '' && <p className={styles.doc}>{detail.docString}</p>}
          <dl className={styles.facts}>
            {detail.domain !== '' && <Fact term="Domain" value={detail.domain} mono />}
            {detail.metadata.map(({ key, value }) => (
              <Fact key={key} term={key} value={value} mono />
            ))}
          </dl>
        </Block>
      )}
    </aside>
  );
}

const NAMES = 4;

function listed(names: readonly string[]): string {
  const shown = names.slice(0, NAMES).join(', ');
  return names.length > NAMES ? `${shown} and ${names.length - NAMES} more` : shown;
}

function useDetail(graph: VariantGraph, scope: number, { kind, index }: GraphNode) {
  const [state, setState] = useState<{ detail: NodeDetail | null; error: ErrorRecord | null }>({
    detail: null,
    error: null,
  });
  useEffect(() => {
    if (kind !== 'op') return undefined;
    let isOver = false;
    graph.node(scope, index).then(
      (detail) => isOver || setState({ detail, error: null }),
      (cause: unknown) => isOver || setState({ detail: null, error: toErrorRecord(cause) }),
    );
    return () => {
      isOver = true;
    };
  }, [graph, scope, kind, index]);
  return state;
}

export function Block({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className={styles.block}>
      <h4>{title}</h4>
      {children}
    </section>
  );
}

export function Fact({
  term,
  value,
  mono,
}: {
  readonly term: string;
  readonly value: string;
  readonly mono?: boolean;
}) {
  if (value === '') return null;
  return (
    <div>
      <dt>{term}</dt>
      <dd className={mono ? styles.mono : undefined}>{value}</dd>
    </div>
  );
}

interface ValuesProps {
  readonly graph: VariantGraph;
  readonly scopeIndex: number;
  readonly node: GraphNode;
  readonly detail: NodeDetail | null;
  readonly onGo: (node: number) => void;
}

/** Inputs with who makes them, weights, outputs with who reads them. */
function Values({ graph, scopeIndex, node, detail, onGo }: ValuesProps) {
  const { nodes } = graph.document.scopes[scopeIndex]!;
  const producerOf = useMemo(() => producers(nodes), [nodes]);
  const readers = useMemo(() => readersOf(nodes, node), [nodes, node]);
  const typeOf = (value: string): string => {
    const producer = producerOf.get(value);
    if (producer === undefined) return '';
    const { outputs, types } = nodes[producer]!;
    return types[outputs.indexOf(value)] ?? '';
  };
  const positionOf = (value: string) => (detail ? detail.inputs.findIndex(({ name }) => name === value) : -1);
  return (
    <>
      {node.inputs.length > 0 && (
        <Block title="Inputs">
          <ul className={styles.values}>
            {[...new Set(node.inputs)].map((value) => {
              const producer = producerOf.get(value);
              const position = positionOf(value);
              return (
                <li key={value}>
                  <span className={styles.mono}>
                    {position >= 0 && `${position}: `}
                    {value}
                  </span>
                  <span className={styles.mono}>{typeOf(value)}</span>
                  {producer !== undefined && (
                    <Button look="quiet" onClick={() => onGo(producer)}>
                      <ArrowUp size={13} aria-hidden /> {nodes[producer]!.op}
                    </Button>
                  )}
                </li>
              );
            })}
          </ul>
        </Block>
      )}
      {node.weights.length > 0 && (
        <Block title="Weights and constants">
          {node.weights.map((weight) => (
            <Weight key={`${weight.input} ${weight.name}`} graph={graph} scope={scopeIndex} weight={weight} />
          ))}
        </Block>
      )}
      {node.outputs.length > 0 && (
        <Block title="Outputs">
          <ul className={styles.values}>
            {node.outputs.map((value, at) =>
              value === '' ? null : (
                <li key={value}>
                  <span className={styles.mono}>{value}</span>
                  <span className={styles.mono}>{node.types[at]}</span>
                  {(readers.get(value) ?? []).slice(0, MAX_READERS).map((reader) => (
                    <Button key={reader} look="quiet" title={nodes[reader]!.name} onClick={() => onGo(reader)}>
                      <ArrowDown size={13} aria-hidden /> {nodes[reader]!.op}
                    </Button>
                  ))}
                  {(readers.get(value)?.length ?? 0) > MAX_READERS && (
                    <span className={styles.hint}>
                      {plural(readers.get(value)!.length - MAX_READERS, 'more reader')}
                    </span>
                  )}
                </li>
              ),
            )}
          </ul>
        </Block>
      )}
    </>
  );
}

const MAX_READERS = 8;

function readersOf(nodes: readonly GraphNode[], { outputs }: GraphNode): Map<string, number[]> {
  const readers = new Map<string, number[]>(outputs.map((output) => [output, []]));
  for (const [reader, { inputs }] of nodes.entries())
    for (const input of new Set(inputs)) readers.get(input)?.push(reader);
  return readers;
}

function Weight({
  graph,
  scope,
  weight,
}: {
  readonly graph: VariantGraph;
  readonly scope: number;
  readonly weight: WeightRef;
}) {
  const [isOpen, setOpen] = useState(false);
  const { name, input, dtype, dims, bytes } = weight;
  return (
    <details className={styles.weight} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        <span className={styles.mono}>
          {input}: {name}
        </span>{' '}
        <span className={styles.hint}>
          {dtype}[{dims.join(', ')}], {formatBytes(bytes)}
        </span>
      </summary>
      {isOpen && <WeightView graph={graph} scope={scope} weight={weight} />}
    </details>
  );
}
