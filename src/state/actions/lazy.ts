/**
 * Actions as the first screen calls them. Behind them stand recipes, passes and the workers' clients, which nobody
 * needs to wait for before seeing the page: they are fetched at once, but after the first frame.
 */
type Actions = typeof import('./all.ts');

let loading: Promise<Actions> | null = null;

export function loadActions(): Promise<Actions> {
  loading ??= import('./all.ts');
  return loading;
}

function later<Name extends keyof Actions>(name: Name) {
  return async (...args: Parameters<Actions[Name]>): Promise<Awaited<ReturnType<Actions[Name]>>> => {
    const action = (await loadActions())[name] as (...given: Parameters<Actions[Name]>) => ReturnType<Actions[Name]>;
    return await action(...args);
  };
}

export const openFiles = later('openFiles');
export const openHubRef = later('openHubRef');
export const openJson = later('openJson');
export const openSample = later('openSample');
export const openUrl = later('openUrl');
export const runNeeded = later('runNeeded');
export const copyLink = later('copyLink');
export const downloadReport = later('downloadReport');
export const reloadForUpdate = later('reloadForUpdate');
export const reportProblem = later('reportProblem');
