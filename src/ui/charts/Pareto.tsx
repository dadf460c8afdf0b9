import { memo } from 'react';
import { selectComparison } from '../../state/rows.ts';
import { useStudio } from '../../state/use-studio.ts';
import { useInTurn } from '../in-turn.ts';
import { ParetoChart } from './ParetoChart.tsx';

const Chart = memo(ParetoChart);

export default function Pareto() {
  return (
    <>
      <h2 className="visually-hidden">Pareto</h2>
      <Chart comparison={useInTurn(useStudio(selectComparison))} />
    </>
  );
}
