/** The graph of a recipe, built by the transform worker when it is first asked for. */
import { useEffect, useRef, useState } from 'react';
import { type ErrorRecord, StudioError, toErrorRecord } from '../../core/base/errors/index.ts';
import { type Progress, quietJob } from '../../core/base/progress.ts';
import type { Recipe } from '../../core/recipe/schema.ts';
import type { VariantGraph } from '../../services/variant-graph.ts';
import { graphKeyOf, graphOf, stopUnlessBusy } from '../../state/actions/graph.ts';

export interface GraphState {
  readonly graph: VariantGraph | null;
  readonly progress: Progress | null;
  readonly error: ErrorRecord | null;
  readonly cancel: () => void;
  readonly retry: () => void;
}

type Built = Pick<GraphState, 'graph' | 'progress' | 'error'>;

const BUILDING: Built = {
  graph: null,
  progress: { stage: 'building the graph', done: 0, total: null, unit: 'nodes' },
  error: null,
};

export function useGraph(recipe: Recipe): GraphState {
  const key = graphKeyOf(recipe);
  const [turn, setTurn] = useState(0);
  const [state, setState] = useState<Built & { readonly key: string }>({ ...BUILDING, key });
  const controller = useRef<AbortController | null>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key says what of the recipe matters; a turn tries again
  useEffect(() => {
    const own = new AbortController();
    controller.current = own;
    let isOver = false;
    const say = (next: Built) => {
      if (!isOver) setState({ ...next, key });
    };
    const onProgress = (progress: Progress) => say({ graph: null, progress, error: null });
    say(BUILDING);
    graphOf(recipe, { ...quietJob, signal: own.signal, onProgress }).then(
      (graph) => say({ graph, progress: null, error: null }),
      (cause: unknown) => say({ graph: null, progress: null, error: toErrorRecord(cause) }),
    );
    // Not stopped when one looks elsewhere: the worker may be building something else too, and will be asked again.
    return () => {
      isOver = true;
    };
  }, [key, turn]);
  const cancel = () => {
    stopUnlessBusy(controller.current);
    setState({ graph: null, progress: null, error: toErrorRecord(new StudioError('job/cancelled', {})), key });
  };
  // What is known of the recipe before is none of this one's.
  const { graph, progress, error } = state.key === key ? state : BUILDING;
  return { graph, progress, error, cancel, retry: () => setTurn(turn + 1) };
}
