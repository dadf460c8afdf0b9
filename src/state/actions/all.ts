/** Every action, as one part that is loaded after the first frame (lazy.ts). */
export { downloadReport } from './export.ts';
export { openHubRef } from './hub.ts';
export { keepSession } from './keep.ts';
export { reloadForUpdate, startOfflineUse } from './offline.ts';
export { openFiles, openSample, openUrl } from './open.ts';
export { openJson } from './open-json.ts';
export { runNeeded } from './run.ts';
export { startSession } from './session.ts';
export { copyLink } from './share.ts';
export { reportProblem } from './variants.ts';
