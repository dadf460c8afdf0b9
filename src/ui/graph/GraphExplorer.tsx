import { useEffect, useMemo, useReducer, useRef, useState } from 'react';
import type { Progress } from '../../core/base/progress.ts';
import { findNode, type SearchHit, searchGraph } from '../../core/graph-view/search.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import type { VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import { ErrorNote } from '../components/Note.tsx';
import { describeBox, describeGroup } from './announce.ts';
import { Breadcrumb } from './Breadcrumb.tsx';
import { paintScene } from './colour-modes.ts';
import { GraphCanvas, type GraphCanvasHandle } from './GraphCanvas.tsx';
import { GraphToolbar } from './GraphToolbar.tsx';
import { GroupPanel } from './GroupPanel.tsx';
import styles from './graph.module.css';
import { useInk } from './ink.ts';
import { Legend } from './Legend.tsx';
import { counterparts } from './made-by.ts';
import { NodePanel } from './NodePanel.tsx';
import { NodeTable, tableCaption } from './NodeTable.tsx';
import { draftScene, type Scene } from './scene.ts';
import { useColourModes } from './use-colour-modes.ts';
import { useScene } from './use-scene.ts';
import { useSelectedNode } from './use-selected-node.ts';
import {
  carriedOver,
  changeView,
  firstState,
  openIn,
  type Selection,
  type ViewAction,
  type ViewState,
} from './view-state.ts';
import { Working } from './Working.tsx';

interface GraphExplorerProps {
  readonly graph: VariantGraph;
  readonly row: VariantRow;
  readonly picker: React.ReactNode;
  /** Set while another graph is being built. */
  readonly building: Progress | null;
  readonly onCancel: () => void;
}

/** States of graphs that were looked at, to come back to. */
const remembered = new WeakMap<VariantGraph, ViewState>();

interface Looked {
  readonly graph: VariantGraph;
  readonly state: ViewState;
}

function change(looked: Looked, action: ViewAction | { readonly type: 'graph'; readonly graph: VariantGraph }): Looked {
  const { graph, state } = looked;
  if (action.type !== 'graph') return { graph, state: changeView(graph.document, state, action) };
  if (action.graph === graph) return looked;
  const before = remembered.get(action.graph);
  const { selection, scope, reveal } = state;
  const node = selection?.kind === 'node' ? graph.document.scopes[scope]!.nodes[selection.index] : undefined;
  const names = node ? counterparts(graph.ledger, action.graph.ledger, node) : [];
  const start: ViewState = before ? { ...before, reveal } : state;
  return { graph: action.graph, state: carriedOver(start, action.graph.document, names) };
}

function begin(graph: VariantGraph): Looked {
  const { selectedNode } = studio.getState();
  const state = remembered.get(graph) ?? firstState(graph.document);
  const place = selectedNode === null ? null : findNode(graph.document, selectedNode);
  return { graph, state: place ? changeView(graph.document, state, { type: 'go', ...place }) : state };
}

/** Opening this many boxes at once is refused: nobody could see them. */
const MAX_OPEN = 25_000;

/** Picture, search, list and panel of one graph, which all point at the same node. */
export function GraphExplorer({ graph: wanted, row, picker, building, onCancel }: GraphExplorerProps) {
  const [looked, dispatch] = useReducer(change, wanted, begin);
  useEffect(() => dispatch({ type: 'graph', graph: wanted }), [wanted]);
  const { graph, state } = looked;
  const { document } = graph;
  useEffect(() => void remembered.set(graph, state), [graph, state]);
  const scope = document.scopes[state.scope]!;
  const open = openIn(state, document);
  const shown = useRef<{ readonly looked: Looked; readonly open: ReadonlySet<string>; readonly scene: Scene } | null>(
    null,
  );
  const draft = useMemo(() => {
    const last = shown.current;
    const isShown = last?.looked.graph === graph && last.open === open;
    return isShown ? last.scene : draftScene(`${graph.key} ${state.scope}`, scope, open);
  }, [graph, state.scope, scope, open]);
  const { scene, progress, error, cancel } = useScene(draft);
  // Stopping leads back to what is still shown: in a picture of something else one could choose nothing.
  const stop = () => {
    cancel();
    if (shown.current?.looked.graph === graph) dispatch({ type: 'back', to: shown.current.looked.state });
  };
  const canvas = useRef<GraphCanvasHandle>(null);
  const [query, setQuery] = useState('');
  const [modeId, setModeId] = useState('class');
  const modes = useColourModes(row, graph);
  const mode = modes.find(({ id }) => id === modeId) ?? modes[0]!;
  const ink = useInk();
  const isCurrent = scene !== null && scene.graph === draft.graph;
  if (isCurrent) shown.current = { looked, open, scene };
  const painted = useMemo(
    () => (scene && isCurrent ? paintScene(scene, scope, mode, ink) : null),
    [scene, isCurrent, scope, mode, ink],
  );
  const lastPainted = useRef(painted);
  if (painted) lastPainted.current = painted;
  const found = useMemo(() => searchGraph(document, query, 100_000), [document, query]);
  const foundBoxes = useMemo(() => {
    const boxes = new Set<number>();
    if (scene && isCurrent)
      for (const hit of found.hits) if (hit.scope === state.scope) boxes.add(scene.graph.boxOf[hit.node]!);
    return boxes;
  }, [scene, isCurrent, found, state.scope]);
  const selectedBox = scene && isCurrent ? boxOfSelection(scene, state.selection) : -1;
  useSelectedNode(looked, dispatch);
  // Brought into sight once the picture that shows it is there.
  const revealed = useRef(0);
  useEffect(() => {
    if (!isCurrent || revealed.current === state.reveal) return;
    revealed.current = state.reveal;
    if (selectedBox >= 0) canvas.current?.show(selectedBox);
  }, [isCurrent, state.reveal, selectedBox]);

  const selectBox = (box: number) => {
    if (!scene || !isCurrent) return;
    const target = scene.graph.boxes[box];
    const selection: Selection | null = target
      ? { kind: target.kind === 'node' ? 'node' : 'group', index: target.index }
      : null;
    dispatch({ type: 'select', selection, reveal: true });
  };
  const openBox = (box: number) => {
    const target = scene?.graph.boxes[box];
    if (!target || !isCurrent) return;
    if (target.kind !== 'node') dispatch({ type: 'toggle', group: target.index });
    else {
      const [inner] = scope.nodes[target.index]!.inner;
      if (inner) dispatch({ type: 'enter', scope: inner.scope });
    }
  };
  const goTo = ({ scope: at, node }: Pick<SearchHit, 'scope' | 'node'>) => dispatch({ type: 'go', scope: at, node });
  const listed = useMemo(
    () =>
      query.trim() === ''
        ? scope.nodes.map((_, node) => node)
        : found.hits.flatMap((hit) => (hit.scope === state.scope ? [hit.node] : [])),
    [query, scope, found, state.scope],
  );
  // While the next graph is being built the one before is still what is shown.
  const shownName = useRef(row.name);
  if (!building && graph === wanted) shownName.current = row.name;
  const { selection } = state;
  const anchor: Selection | null = state.toggled === null ? selection : { kind: 'group', index: state.toggled };
  const selectedNode = selection?.kind === 'node' ? selection.index : null;
  const caption = tableCaption(
    listed.length,
    scope.nodes.length,
    scope.nodes.filter(({ kind }) => kind !== 'op').length,
  );
  const said =
    selection === null
      ? ''
      : selection.kind === 'node'
        ? describeBox(scope, selection.index, mode)
        : describeGroup(scope, selection.index, open);
  return (
    <>
      <GraphToolbar
        picker={picker}
        document={document}
        scope={scope}
        canOpenAll={scope.nodes.length <= MAX_OPEN}
        modes={modes}
        mode={mode}
        query={query}
        canvas={canvas}
        onMode={setModeId}
        onQuery={setQuery}
        onGo={goTo}
        onOpenAll={() => dispatch({ type: 'open-all' })}
        onCloseAll={() => dispatch({ type: 'close-all' })}
      />
      <Breadcrumb
        document={document}
        scope={state.scope}
        onEnter={(next) => dispatch({ type: 'enter', scope: next })}
      />
      {(document.notes.length > 0 || scope.nodes.length > MAX_OPEN) && (
        <p className={styles.notes}>
          {scope.nodes.length > MAX_OPEN &&
            `${scope.nodes.length.toLocaleString('en')} nodes are shown folded; open the groups that you want to see. `}
          {document.notes.join(' ')}
        </p>
      )}
      <div className={styles.stage} data-panel={selection !== null || undefined}>
        <div className={styles.picture}>
          {error && <ErrorNote error={error} />}
          {scene && (
            <GraphCanvas
              key={scene.key}
              ref={canvas}
              scene={scene}
              paints={(painted ?? lastPainted.current)?.paints ?? []}
              selected={selectedBox}
              found={foundBoxes}
              anchorOf={(some) => boxOfSelection(some, anchor)}
              label={`Graph of ${shownName.current}, ${scope.title}: ${scope.nodes.length} nodes. Arrow keys walk along the edges, Enter opens and closes groups, Escape clears the selection, plus, minus and 0 zoom.`}
              onSelect={selectBox}
              onOpen={openBox}
            />
          )}
          {building ? (
            <Working progress={building} onCancel={onCancel} />
          ) : (
            progress && !isCurrent && <Working progress={progress} onCancel={stop} />
          )}
          <p className="visually-hidden" aria-live="polite">
            {said}
          </p>
        </div>
        {selection?.kind === 'node' && (
          <NodePanel
            key={`${graph.key} ${state.scope} ${selection.index}`}
            graph={graph}
            scopeIndex={state.scope}
            node={selection.index}
            modes={modes}
            onGo={goTo}
            onEnter={(next) => dispatch({ type: 'enter', scope: next })}
            onClose={() => dispatch({ type: 'select', selection: null })}
          />
        )}
        {selection?.kind === 'group' && (
          <GroupPanel
            scope={scope}
            group={selection.index}
            isOpen={open.has(scope.groups[selection.index]!.path)}
            modes={modes}
            onToggle={() => dispatch({ type: 'toggle', group: selection.index })}
            onClose={() => dispatch({ type: 'select', selection: null })}
          />
        )}
      </div>
      {painted && <Legend mode={mode} legend={painted.legend} />}
      <details className={styles.list}>
        <summary>List of nodes ({caption.toLowerCase()})</summary>
        <NodeTable
          scope={scope}
          nodes={listed}
          selected={selectedNode}
          mode={mode}
          caption={caption}
          onSelect={(node) => goTo({ scope: state.scope, node })}
        />
      </details>
    </>
  );
}

function boxOfSelection({ graph }: Scene, selection: Selection | null): number {
  if (!selection) return -1;
  if (selection.kind === 'node') return graph.boxOf[selection.index] ?? -1;
  return graph.boxes.findIndex(({ kind, index }) => kind !== 'node' && index === selection.index);
}
