/** Keeps the graph's selection and the page's selected node the same, whichever changes. */
import { useEffect, useRef } from 'react';
import { findNode } from '../../core/graph-view/search.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import { studio } from '../../state/store.ts';
import { useStudio } from '../../state/use-studio.ts';
import type { ViewAction, ViewState } from './view-state.ts';

export function useSelectedNode(
  { graph, state }: { readonly graph: VariantGraph; readonly state: ViewState },
  dispatch: (action: ViewAction) => void,
): void {
  const shared = useStudio(({ selectedNode }) => selectedNode);
  const { selection, scope } = state;
  const own = selection?.kind === 'node' ? graph.document.scopes[scope]!.nodes[selection.index]!.name : null;
  /** What this view itself has said last: no news when it comes back. */
  const told = useRef(shared);
  const heard = useRef(shared);
  useEffect(() => {
    if (own === null || own === studio.getState().selectedNode) return;
    told.current = own;
    studio.getState().selectNode(own);
  }, [own]);
  useEffect(() => {
    if (shared === heard.current) return;
    heard.current = shared;
    if (shared === null || shared === told.current) return;
    told.current = shared;
    const place = findNode(graph.document, shared);
    if (place) dispatch({ type: 'go', ...place });
  }, [shared, graph, dispatch]);
}
