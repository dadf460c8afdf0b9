import { ArrowLeft, ArrowRight, Copy, Crosshair, Download, FileJson, Forward, Pencil, Trash2 } from 'lucide-react';
import { downloadRecipe, downloadVariant } from '../../state/actions/export.ts';
import { deleteVariant, duplicateVariant } from '../../state/actions/variants.ts';
import type { VariantRow } from '../../state/rows.ts';
import { studio } from '../../state/store.ts';
import type { Action } from '../components/ActionMenu.tsx';
import { formatBytes } from '../format.ts';

function showLayers(id: string): void {
  const { selectVariant, setView, setLayersTab } = studio.getState();
  selectVariant(id);
  setLayersTab('error');
  setView('layers');
}

function showHandover(id: string): void {
  const { selectVariant, openPanel } = studio.getState();
  selectVariant(id);
  openPanel('handover');
}

/** What can be done with a variant: the menu of its card, and the palette for the selected one. */
export function cardActions(row: VariantRow, count: number, full: boolean, rename: () => void): Action[] {
  const { moveVariant } = studio.getState();
  const fixed = row.isBaseline;
  return [
    {
      key: 'duplicate',
      label: 'Duplicate',
      icon: <Copy size={15} />,
      disabled: full,
      run: () => duplicateVariant(row.id),
    },
    { key: 'rename', label: 'Rename', icon: <Pencil size={15} />, disabled: fixed, run: rename },
    {
      key: 'left',
      label: 'Move left',
      icon: <ArrowLeft size={15} />,
      disabled: row.index <= 1,
      run: () => moveVariant(row.id, row.index - 1),
    },
    {
      key: 'right',
      label: 'Move right',
      icon: <ArrowRight size={15} />,
      disabled: fixed || row.index === count - 1,
      run: () => moveVariant(row.id, row.index + 1),
    },
    {
      key: 'layers',
      label: 'Error by layer',
      icon: <Crosshair size={15} />,
      separated: true,
      disabled: fixed,
      run: () => showLayers(row.id),
    },
    {
      key: 'model',
      label: 'Download model',
      ...(row.facts ? { hint: formatBytes(row.facts.fileBytes) } : {}),
      icon: <Download size={15} />,
      run: () => void downloadVariant(row.id),
    },
    {
      key: 'recipe',
      label: 'Download recipe.json',
      icon: <FileJson size={15} />,
      run: () => void downloadRecipe(row.id),
    },
    {
      key: 'handover',
      label: 'Hand over …',
      icon: <Forward size={15} />,
      run: () => showHandover(row.id),
    },
    {
      key: 'delete',
      label: 'Delete',
      icon: <Trash2 size={15} />,
      danger: true,
      separated: true,
      disabled: fixed,
      run: () => deleteVariant(row.id),
    },
  ];
}
