import { Box, Boxes, FolderKanban, FolderOpen, House } from 'lucide-react';

import { goHome } from '../../state/actions/home.ts';
import { chooseFiles } from '../../state/actions/start.ts';
import { studio } from '../../state/store.ts';
import type { Action } from '../components/ActionMenu.tsx';

/** About the open model, and away from it. */
export function modelActions(): Action[] {
  return [
    {
      key: 'card',
      label: 'About this model',
      hint: 'inputs, outputs, weights, operators',
      icon: <Box size={15} />,
      run: () => studio.getState().openPanel('model'),
    },
    {
      key: 'open',
      label: 'Open another …',
      icon: <FolderOpen size={15} />,
      shortcut: 'O',
      run: () => void chooseFiles(),
    },
    {
      key: 'projects',
      label: 'Projects …',
      hint: 'rename, duplicate, export, delete',
      icon: <FolderKanban size={15} />,
      run: () => studio.getState().openPanel('projects'),
    },
    {
      key: 'hub',
      label: 'Open from Hugging Face …',
      icon: <Boxes size={15} />,
      run: () => studio.getState().openHub(''),
    },
    { key: 'home', label: 'Sample gallery', icon: <House size={15} />, run: () => void goHome() },
  ];
}
