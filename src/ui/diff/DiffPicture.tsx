import { Waypoints } from 'lucide-react';
import { useMemo } from 'react';
import type { DiffItem } from '../../core/diff/types.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import { studio } from '../../state/store.ts';
import { Button } from '../components/Button.tsx';
import { ErrorNote } from '../components/Note.tsx';
import { plural } from '../format.ts';
import { GraphCanvas } from '../graph/GraphCanvas.tsx';
import { type Ink, useInk } from '../graph/ink.ts';
import { type BoxPaint, draftScene, type Scene } from '../graph/scene.ts';
import { useScene } from '../graph/use-scene.ts';
import { Working } from '../graph/Working.tsx';
import { KINDS } from './DiffList.tsx';
import styles from './diff.module.css';
import { type Part, partAround, placeIn } from './surroundings.ts';

interface DiffPictureProps {
  readonly item: DiffItem;
  readonly before: VariantGraph;
  readonly after: VariantGraph;
}

/** One difference drawn: its nodes with what touches them, on both sides; all that is unchanged is left out. */
export function DiffPicture({ item, before, after }: DiffPictureProps) {
  const was = useMemo(() => partOf(before, item.beforeScope, item.before), [before, item]);
  const is = useMemo(() => partOf(after, item.afterScope, item.after), [after, item]);
  // What was removed leaves a place, and what was added had one.
  const [left, right] = useMemo(() => withPlaces(item, before, after, was, is), [item, before, after, was, is]);
  const name = after.document.scopes[item.afterScope]?.nodes[item.after[0] ?? -1]?.name;
  return (
    <section className={styles.picture} aria-label="The chosen difference">
      <header className={styles.pictureHead}>
        <h3>
          {KINDS[item.kind].label}: {item.title}
        </h3>
        {name !== undefined && (
          <Button onClick={() => studio.getState().showInGraph(name)}>
            <Waypoints size={15} aria-hidden /> Show in graph
          </Button>
        )}
      </header>
      <p className={styles.hint}>
        {[sentenceOf(item), ...item.details].join('; ')}
        {item.steps.length > 0 && `; by ${item.steps.join(', then ')}`}.
      </p>
      <div className={styles.pictures}>
        <SidePicture
          title="Before"
          part={left}
          total={before.document.scopes[Math.max(0, item.beforeScope)]!.nodes.length}
          badge={item.kind === 'changed' ? 'changed' : 'gone'}
        />
        <SidePicture
          title="After"
          part={right}
          total={after.document.scopes[Math.max(0, item.afterScope)]!.nodes.length}
          badge={item.kind === 'changed' ? 'changed' : 'new'}
        />
      </div>
    </section>
  );
}

function sentenceOf({ before, after, kind }: DiffItem): string {
  if (kind === 'removed') return `${plural(before.length, 'node')} without a counterpart`;
  if (kind === 'added') return `${plural(after.length, 'node')} that was not there before`;
  if (kind === 'changed') return 'The same node with other settings';
  return `${plural(before.length, 'node')} became ${after.length}`;
}

function partOf({ document }: VariantGraph, scope: number, nodes: readonly number[]): Part | null {
  const found = document.scopes[scope];
  return found && nodes.length > 0 ? partAround(found, nodes) : null;
}

function withPlaces(
  item: DiffItem,
  before: VariantGraph,
  after: VariantGraph,
  was: Part | null,
  is: Part | null,
): [Part | null, Part | null] {
  const place = (own: Part | null, other: VariantGraph, scope: number): Part | null => {
    const found = other.document.scopes[scope];
    return own && found ? placeIn(own, found) : null;
  };
  return [was ?? place(is, before, item.beforeScope), is ?? place(was, after, item.afterScope)];
}

interface SideProps {
  readonly title: string;
  readonly part: Part | null;
  readonly total: number;
  readonly badge: string;
}

const NOTHING_OPEN: ReadonlySet<string> = new Set();

function SidePicture({ title, part, total, badge }: SideProps) {
  const draft = useMemo(
    () => (part ? draftScene(`${title} ${part.places.join(' ')}`, part.scope, NOTHING_OPEN) : null),
    [part, title],
  );
  const { scene, progress, error, cancel } = useScene(draft);
  const ink = useInk();
  const current = scene && draft && scene.graph === draft.graph ? scene : null;
  const paints = useMemo(
    () => (current && part ? paintsOf(current, part, badge, ink) : []),
    [current, part, badge, ink],
  );
  const rest = part ? total - part.places.length : total;
  return (
    <figure className={styles.sidePicture}>
      <figcaption>
        {title} <span className={styles.hint}>and {plural(rest, 'node')} more</span>
      </figcaption>
      <div className={styles.canvas}>
        {error && <ErrorNote error={error} />}
        {progress && !scene && <Working progress={progress} onCancel={cancel} />}
        {!part && <p className={styles.hint}>Nothing there.</p>}
        {part && current && (
          <GraphCanvas
            key={current.key}
            scene={current}
            paints={paints}
            selected={-1}
            label={`${title}: ${part.scope.nodes.map(({ op, name }) => `${op} ${name}`).join(', ')}`}
            onSelect={() => {}}
            onOpen={(box) => open(current, part, box)}
          />
        )}
      </div>
      <ul className={styles.twin}>
        {part?.scope.nodes.map(({ op, name }, index) =>
          part.isOwn[index] ? (
            <li key={`${part.places[index]}`}>
              <b>{op}</b> {name}
            </li>
          ) : null,
        )}
      </ul>
    </figure>
  );
}

function open(scene: Scene, { scope }: Part, box: number): void {
  const target = scene.graph.boxes[box];
  const node = target?.kind === 'node' ? scope.nodes[target.index] : undefined;
  if (node) studio.getState().showInGraph(node.name);
}

/** What is not part of the difference steps back; the rest says in words what it is. */
function paintsOf({ graph }: Scene, { isOwn }: Part, badge: string, ink: Ink): BoxPaint[] {
  return graph.boxes.map(({ kind, index }) =>
    kind === 'node' && isOwn[index]
      ? {
          badge,
          border: badge === 'gone' ? ink.bad : badge === 'new' ? ink.good : ink.accent,
          dashed: badge === 'gone',
        }
      : { faded: true },
  );
}
