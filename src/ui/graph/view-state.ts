/** Where one is in a graph: which graph of the model, what is open in it, what is selected. */
import type { GraphDocument } from '../../core/graph-view/document.ts';
import { findNode } from '../../core/graph-view/search.ts';
import { closed, openAround, openAtFirst, opened } from '../../core/graph-view/visible.ts';

export interface Selection {
  readonly kind: 'node' | 'group';
  readonly index: number;
}

export interface ViewState {
  readonly scope: number;
  /** By scope: paths of open groups. One keeps its set while nothing is opened or closed: another set is another picture. */
  readonly open: ReadonlyMap<number, ReadonlySet<string>>;
  readonly selection: Selection | null;
  /** Counts requests to bring the selection into sight. */
  readonly reveal: number;
  /** The group that was opened or closed last: it keeps its place on the screen. */
  readonly toggled: number | null;
}

export type ViewAction =
  | { readonly type: 'select'; readonly selection: Selection | null; readonly reveal?: boolean }
  | { readonly type: 'toggle'; readonly group: number }
  | { readonly type: 'open-all' }
  | { readonly type: 'close-all' }
  | { readonly type: 'enter'; readonly scope: number }
  /** To an earlier state, as it was. */
  | { readonly type: 'back'; readonly to: ViewState }
  /** Selects a node wherever it is, and brings it into sight. */
  | { readonly type: 'go'; readonly scope: number; readonly node: number };

export function firstState(document: GraphDocument): ViewState {
  const open = new Map([[0, openAtFirst(document.scopes[0]!)]]);
  return { scope: 0, open, selection: null, reveal: 0, toggled: null };
}

export function openIn(state: ViewState, document: GraphDocument, scope = state.scope): ReadonlySet<string> {
  return state.open.get(scope) ?? openAtFirst(document.scopes[scope]!);
}

export function changeView(document: GraphDocument, state: ViewState, action: ViewAction): ViewState {
  const scope = document.scopes[state.scope]!;
  const open = openIn(state, document);
  const withOpen = (next: ReadonlySet<string>, at = state.scope) => new Map(state.open).set(at, next);
  switch (action.type) {
    case 'select':
      return { ...state, selection: action.selection, reveal: state.reveal + (action.reveal ? 1 : 0), toggled: null };
    case 'toggle': {
      const { group } = action;
      const isOpen = open.has(scope.groups[group]!.path);
      const next = isOpen ? closed(scope, group, open) : opened(scope, group, open);
      const selection: Selection = { kind: 'group', index: group };
      return { ...state, open: withOpen(next), selection, reveal: state.reveal + 1, toggled: group };
    }
    case 'open-all':
      return { ...state, open: withOpen(new Set(scope.groups.map(({ path }) => path))), toggled: null };
    case 'close-all':
      return { ...state, open: withOpen(new Set()), selection: null, toggled: null };
    case 'enter': {
      if (action.scope === state.scope) return state;
      // Coming back, one stands at the node one went into.
      const owner = document.scopes[state.scope]!.owner;
      const selection = owner?.scope === action.scope ? ({ kind: 'node', index: owner.node } as const) : null;
      return {
        scope: action.scope,
        open: withOpen(openIn(state, document, action.scope), action.scope),
        selection,
        reveal: state.reveal + (selection ? 1 : 0),
        toggled: null,
      };
    }
    case 'back':
      return { ...action.to, reveal: state.reveal, toggled: null };
    case 'go': {
      const around = openAround(document.scopes[action.scope]!, action.node, openIn(state, document, action.scope));
      return {
        scope: action.scope,
        open: withOpen(around, action.scope),
        selection: { kind: 'node', index: action.node },
        reveal: state.reveal + 1,
        toggled: null,
      };
    }
  }
}

/**
 * The same place in another variant's graph, as far as it is there: what is open goes by name.
 * @param names what the selected node may be called there, likeliest first
 */
export function carriedOver(state: ViewState, to: GraphDocument, names: readonly string[]): ViewState {
  const open = new Map([[0, state.open.get(0) ?? openAtFirst(to.scopes[0]!)]]);
  const next: ViewState = { ...firstState(to), open, reveal: state.reveal };
  for (const name of names) {
    const place = findNode(to, name);
    if (place) return changeView(to, next, { type: 'go', ...place });
  }
  return next;
}
