import { selectComparison } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { ParetoChart } from './ParetoChart.tsx';

export default function Pareto() {
  return (
    <>
      <h2 className="visually-hidden">Pareto</h2>
      <ParetoChart comparison={useStudio(selectComparison)} />
    </>
  );
}
