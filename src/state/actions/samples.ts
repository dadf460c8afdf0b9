/** The gallery's list. Apart from the other actions, because the start page shows it and waits for none of them. */
import { toErrorRecord } from '../../core/base/errors/index.ts';
import type { Sample } from '../../core/study/samples.ts';
import { loadSampleIndex } from '../../services/samples.ts';
import { studio } from '../store.ts';

let loading: Promise<readonly Sample[]> | null = null;

/** Fetched once; after a failure, once more each time it is asked for. @throws StudioError file/fetch-failed */
export async function requireSamples(): Promise<readonly Sample[]> {
  const known = studio.getState().samples;
  if (known) return known;
  loading ??= fetchSamples();
  try {
    return await loading;
  } finally {
    loading = null;
  }
}

async function fetchSamples(): Promise<readonly Sample[]> {
  try {
    const samples = await loadSampleIndex();
    studio.setState({ samples, samplesError: null });
    return samples;
  } catch (error) {
    studio.setState({ samplesError: toErrorRecord(error) });
    throw error;
  }
}
