import { notify } from '../notices.ts';
import { studio } from '../store.ts';

/** Puts the sender's figures away; the notice brings them back. */
export function dismissSender(): void {
  const { sender, model } = studio.getState();
  if (!sender) return;
  studio.setState({ sender: null });
  const bringBack = () => {
    // The notice outlives what comes after it: another model, or another link.
    const { sender: now, model: open } = studio.getState();
    if (now === null && open === model) studio.setState({ sender });
  };
  notify({ level: 'info', text: 'The sender’s figures are put away.', action: { label: 'Undo', run: bringBack } });
}
