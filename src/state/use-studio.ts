import { useStore } from 'zustand';
import { useShallow } from 'zustand/react/shallow';
import { type StudioState, studio } from './store.ts';

/** Reads from the page's store; the component draws again when the selected value changes. */
export function useStudio<T>(selector: (state: StudioState) => T): T {
  return useStore(studio, selector);
}

/** The same for selectors that make a new array or object each time, compared member by member. */
export function useStudioShallow<T>(selector: (state: StudioState) => T): T {
  return useStore(studio, useShallow(selector));
}
