// Which tool leaves the fewest nodes, among results that run and are right.

/** Of an output's range: far above rounding, far below a wrong result. */
const LARGEST_ERROR = 1e-3;

/** Result of the best variant of a tool that counts: it runs, and its outputs are those of the original. */
export function bestOf(others, prefix) {
  let best;
  for (const [tool, { nodes, doesNotRun, relativeError, error }] of Object.entries(others)) {
    if (tool !== prefix && !tool.startsWith(`${prefix}-`)) continue;
    if (error || nodes === undefined) continue;
    const counts = doesNotRun === undefined && relativeError !== null && relativeError < LARGEST_ERROR;
    if (best === undefined || (counts && (!best.counts || nodes < best.nodes))) best = { tool, nodes, counts };
  }
  return best;
}

/** Where rounding alone moves outputs far (a sigmoid near 0), by what onnxruntime's own optimizer moves them. */
function toleranceOf(row) {
  return Math.max(LARGEST_ERROR, 4 * (row.ort?.error ?? 0));
}

/** By column of the table. `counts` is false where a result does not run or is wrong. */
export function resultsOf(row, others) {
  const local = (found) =>
    found?.nodes === undefined
      ? undefined
      : { nodes: found.nodes, counts: found.error === undefined || found.error < toleranceOf(row) };
  // An original that does not run leaves nothing to compare with: then all of them count.
  const unjudged = row.failures.original !== undefined;
  const remote = (prefix) => {
    const found = bestOf(others, prefix);
    return found && { ...found, counts: found.counts || unjudged };
  };
  return {
    ort: local(row.ort),
    transformers: remote('onnxruntime-transformers'),
    onnxscript: remote('onnxscript'),
    onnxslim: remote('onnxslim'),
    onnxoptimizer: remote('onnxoptimizer'),
    onnxsim: remote('onnxsim') ?? local(row.onnxsim),
  };
}

export const toolNames = {
  ort: 'ORT extended',
  transformers: 'ORT transformers',
  onnxscript: 'onnxscript',
  onnxslim: 'onnxslim',
  onnxoptimizer: 'onnxoptimizer',
  onnxsim: 'onnxsim',
};

/** @returns { best: { tool, nodes } | undefined, verdict: 'lowest' | 'tie' | 'lost' | 'failed' } */
export function judge(row, results) {
  let best;
  for (const [column, result] of Object.entries(results)) {
    if (result?.counts && (best === undefined || result.nodes < best.nodes))
      best = { tool: toolNames[column], nodes: result.nodes };
  }
  const { whittle } = row;
  if (whittle === undefined || whittle.doesNotRun || whittle.error >= toleranceOf(row) || Number.isNaN(whittle.error))
    return { best, verdict: 'failed' };
  if (best === undefined || whittle.nodes < best.nodes) return { best, verdict: 'lowest' };
  return { best, verdict: whittle.nodes === best.nodes ? 'tie' : 'lost' };
}
