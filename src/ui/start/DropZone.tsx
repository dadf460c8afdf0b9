import { useEffect, useState } from 'react';
import { collectDrop, readPaste } from '../../services/files.ts';
import { openFiles, openJson, openUrl, reportProblem } from '../../state/actions/lazy.ts';
import { plural } from '../format.ts';
import { isTyping } from '../keys.ts';
import styles from './start.module.css';

/** The whole window takes drops and pastes; while something hovers, it says so. */
export function DropZone() {
  const [items, setItems] = useState<number | null>(null);
  useEffect(() => {
    // Entering a child fires before leaving its parent: count, instead of flickering.
    let depth = 0;
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    const onEnter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth += 1;
      setItems(event.dataTransfer!.items.length);
    };
    const onOver = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      event.dataTransfer!.dropEffect = 'copy';
    };
    const onLeave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setItems(null);
    };
    const onDrop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setItems(null);
      collectDrop(event.dataTransfer!).then(openFiles).catch(reportProblem);
    };
    const onPaste = (event: ClipboardEvent) => {
      if (isTyping(event.target)) return;
      const pasted = readPaste(event.clipboardData);
      if (!pasted) return;
      event.preventDefault();
      if (pasted.kind === 'files') void openFiles(pasted.files);
      else if (pasted.kind === 'url') void openUrl(pasted.url);
      else openJson(pasted.text).catch(reportProblem);
    };
    addEventListener('dragenter', onEnter);
    addEventListener('dragover', onOver);
    addEventListener('dragleave', onLeave);
    addEventListener('drop', onDrop);
    addEventListener('paste', onPaste);
    return () => {
      removeEventListener('dragenter', onEnter);
      removeEventListener('dragover', onOver);
      removeEventListener('dragleave', onLeave);
      removeEventListener('drop', onDrop);
      removeEventListener('paste', onPaste);
    };
  }, []);
  if (items === null) return null;
  return (
    <div className={styles.overlay} aria-hidden>
      <div>
        Drop {plural(items, 'item')} here
        <small>an ONNX model (with its data files or folder), a recipe, a report or a project</small>
      </div>
    </div>
  );
}
