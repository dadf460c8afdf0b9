import { Box, FileJson, FileText, Forward } from 'lucide-react';
import { downloadRecipe, downloadReport, downloadVariant } from '../../state/actions/export.ts';
import type { VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import type { Action } from '../components/ActionMenu.tsx';
import { formatBytes } from '../format.ts';

const REPORTS = [
  { format: 'html', label: 'Web page', hint: 'one file, prints on two pages' },
  { format: 'md', label: 'Markdown', hint: 'for a pull request' },
  { format: 'csv', label: 'CSV', hint: 'for a spreadsheet' },
  { format: 'json', label: 'JSON', hint: 'every figure, with a published schema', shortcut: 'Ctrl S' },
] as const;

/** What the selected variant can be saved as. */
export function downloadActions(selected: VariantRow | undefined): Action[] {
  return [
    {
      key: 'model',
      label: selected ? `Model: ${selected.name}` : 'Model',
      hint: selected?.facts ? `${formatBytes(selected.facts.fileBytes)}, .onnx` : 'built when you save it, .onnx',
      icon: <Box size={15} />,
      disabled: !selected,
      run: () => selected && void downloadVariant(selected.id),
    },
    {
      key: 'recipe',
      label: 'Recipe',
      hint: 'recipe.json, for whittle optimize',
      icon: <FileJson size={15} />,
      disabled: !selected,
      run: () => selected && void downloadRecipe(selected.id),
    },
    {
      key: 'handover',
      label: 'Hand over …',
      hint: 'for onnxruntime, Olive, ModelOpt, llama.cpp, vLLM …',
      icon: <Forward size={15} />,
      disabled: !selected,
      run: () => studio.getState().openPanel('handover'),
    },
  ];
}

export function reportActions(): Action[] {
  return REPORTS.map(({ format, ...rest }) => ({
    key: format,
    ...rest,
    icon: <FileText size={15} />,
    run: () => void downloadReport(format),
  }));
}
