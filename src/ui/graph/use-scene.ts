/** A scene with its layout: arranged in a worker, kept on screen until the next is ready. */
import { useEffect, useRef, useState } from 'react';
import { type ErrorRecord, toErrorRecord } from '../../core/base/errors/index.ts';
import { type Progress, quietJob } from '../../core/base/progress.ts';
import { arrangeGraph } from '../../services/graph-layout.ts';
import { finishScene, type Scene, type SceneDraft } from './scene.ts';

export interface ArrangedScene {
  readonly scene: Scene | null;
  /** While a layout is being made. */
  readonly progress: Progress | null;
  readonly error: ErrorRecord | null;
  /** Stops the layout; the scene before stays. */
  readonly cancel: () => void;
}

/** @param draft another object is another picture; keep it while nothing changes. The scene itself: nothing to do. */
export function useScene(draft: SceneDraft | null): ArrangedScene {
  const [scene, setScene] = useState<Scene | null>(null);
  const [progress, setProgress] = useState<Progress | null>(null);
  const [error, setError] = useState<ErrorRecord | null>(null);
  const controller = useRef<AbortController | null>(null);
  const last = useRef<SceneDraft | null>(null);
  useEffect(() => {
    if (!draft) return;
    const own = new AbortController();
    controller.current = own;
    setError(null);
    if (draft === last.current) {
      setProgress(null);
      return;
    }
    const onProgress = (next: Progress) => {
      if (!own.signal.aborted) setProgress(next);
    };
    onProgress({ stage: 'arranging the graph', done: 0, total: draft.graph.boxes.length, unit: 'nodes' });
    arrangeGraph(draft.request, { ...quietJob, signal: own.signal, onProgress }).then(
      (layout) => {
        if (own.signal.aborted) return;
        const arranged = finishScene(draft, layout);
        last.current = arranged;
        setScene(arranged);
        setProgress(null);
      },
      (cause: unknown) => {
        const record = toErrorRecord(cause);
        if (controller.current !== own) return;
        setProgress(null);
        if (record.code !== 'job/cancelled') setError(record);
      },
    );
    return () => own.abort();
  }, [draft]);
  return { scene, progress, error, cancel: () => controller.current?.abort() };
}
