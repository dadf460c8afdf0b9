/** A Python script put together from stages, each of which reads one model file and writes the next. */
import { headerLines, type NoteTaker } from './notes.ts';
import { python } from './python.ts';
import type { HandoverContext } from './types.ts';

/** Pieces that several stages share; written once, in this order. */
const helpers = {
  leftOut: {
    imports: ['import fnmatch', 'import onnx'],
    source: `def left_out(path, include, exclude):
    """Names of the nodes that the recipe leaves alone; patterns with * and ?."""
    def hit(node, patterns):
        label = node.name or next((name for name in node.output if name), node.op_type)
        return any(fnmatch.fnmatchcase(label, pattern.replace("[", "[[]")) for pattern in patterns)

    nodes = onnx.load(path, load_external_data=False).graph.node
    return [node.name for node in nodes if hit(node, exclude) or (include and not hit(node, include))]`,
  },
  reader: {
    imports: [
      'from pathlib import Path',
      'import numpy as np',
      'from onnxruntime.quantization import CalibrationDataReader',
    ],
    source: `class Inputs(CalibrationDataReader):
    """Calibration inputs: one .npz a sample in the folder, arrays named like the model's inputs."""

    def __init__(self, folder, limit):
        self.files = sorted(Path(folder).glob("*.npz"))[:limit]
        if not self.files:
            raise SystemExit(f"no .npz files in {folder}: put one for each calibration sample there")
        self.rewind()

    def get_next(self):
        path = next(self.rest, None)
        return None if path is None else dict(np.load(path))

    def rewind(self):
        self.rest = iter(self.files)

    def __len__(self):
        return len(self.files)`,
  },
} as const;

export type ScriptHelper = keyof typeof helpers;

export interface Stage {
  readonly title: string;
  readonly imports: readonly string[];
  readonly helpers?: readonly ScriptHelper[];
  /** Lines in which SOURCE and TARGET stand for the stage's files. */
  readonly lines: (source: string, target: string) => string;
}

export function pythonScript(
  context: HandoverContext,
  title: string,
  writtenFor: string,
  notes: NoteTaker,
  stages: readonly Stage[],
  outputFile: string,
): string {
  const used = (Object.keys(helpers) as ScriptHelper[]).filter((name) =>
    stages.some((stage) => stage.helpers?.includes(name)),
  );
  const imports = [
    ...new Set([
      ...used.flatMap((name) => [...helpers[name].imports]),
      ...stages.flatMap((stage) => [...stage.imports]),
    ]),
  ];
  const plain = imports.filter((line) => line.startsWith('import ')).sort();
  const from = imports.filter((line) => line.startsWith('from ')).sort();
  const constants = [
    `MODEL = ${python(context.modelFile)}`,
    `OUTPUT = ${python(outputFile)}`,
    ...(used.includes('reader') ? ['CALIBRATION_FOLDER = "calibration"'] : []),
  ];
  const body = stages.flatMap((stage, at) => {
    const source = at === 0 ? 'MODEL' : python(intermediate(outputFile, at));
    const target = at === stages.length - 1 ? 'OUTPUT' : python(intermediate(outputFile, at + 1));
    return [`# ${stage.title}`, stage.lines(source, target), ''];
  });
  return [
    ...headerLines(context, title, writtenFor, notes),
    ...plain,
    ...from,
    '',
    ...constants,
    ...used.flatMap((name) => ['', '', helpers[name].source]),
    '',
    ...(used.length > 0 ? [''] : []),
    ...body,
  ].join('\n');
}

function intermediate(outputFile: string, at: number): string {
  return `${outputFile.replace(/\.onnx$/i, '')}.stage${at}.onnx`;
}
