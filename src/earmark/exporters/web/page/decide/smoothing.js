// The states of a time line: smoothing with a minimum duration, and where boundaries lie.
// As earmark.inference.segmentation.segments; see there for the sources.
//
// `scores` of a lane are rows of cells: one Float64Array per cell, a value per state.

const STAYED = -1;
const START = -2;

const argmax = (row) => row.indexOf(Math.max(...row));

/** The state of a lane in each cell. */
export function smooth(scores, smoothing, minCells) {
  if (smoothing === "viterbi") return viterbi(scores, minCells);
  if (smoothing === "median") return medians(scores, minCells | 1).map(argmax);
  return scores.map(argmax);
}

/** Running medians of each state's scores; beyond the ends the end values repeat. */
export function medians(scores, width) {
  const reach = width >> 1;
  const last = scores.length - 1;
  return scores.map((row, cell) =>
    row.map((_, state) => {
      const near = new Float64Array(width);
      for (let k = 0; k < width; k++) {
        near[k] = scores[Math.min(last, Math.max(0, cell - reach + k))][state];
      }
      return near.sort()[reach];
    }),
  );
}

/** The best total of the other states, and the state that has it. */
function bestOther(totals) {
  const first = argmax(totals);
  const rest = Float64Array.from(totals);
  rest[first] = -Infinity;
  const second = argmax(rest);
  const origin = Int16Array.from(totals, (_, state) => (state === first ? second : first));
  return { origin, value: Float64Array.from(origin, (state) => totals[state]) };
}

/** The sequence of states with the highest sum of scores, each lasting a minimum of cells. */
export function viterbi(scores, minCells) {
  const numCells = scores.length;
  const numStates = scores[0].length;
  const shortest = Math.min(minCells, numCells);
  const cameFrom = Array.from({ length: numCells }, () => new Int16Array(numStates).fill(STAYED));
  const sums = new Float64Array(numStates);
  const best = new Float64Array(numStates).fill(-Infinity);
  const queue = [{ value: new Float64Array(numStates), origin: new Int16Array(numStates).fill(START) }];
  for (let cell = 0; cell < numCells; cell++) {
    for (let state = 0; state < numStates; state++) sums[state] += scores[cell][state];
    if (queue.length === shortest) {
      const entering = queue.shift();
      for (let state = 0; state < numStates; state++) {
        if (entering.value[state] <= best[state]) continue;
        best[state] = entering.value[state];
        cameFrom[cell][state] = entering.origin[state];
      }
    }
    const { value, origin } = bestOther(best.map((one, state) => one + sums[state]));
    queue.push({ value: value.map((one, state) => one - sums[state]), origin });
  }
  return trace(cameFrom, argmax(best.map((one, state) => one + sums[state])), shortest);
}

/** The states of the best path, traced back from its end. */
function trace(cameFrom, lastState, shortest) {
  const states = new Int16Array(cameFrom.length);
  let state = lastState;
  let end = cameFrom.length;
  while (end) {
    let entry = end - 1;
    while (cameFrom[entry][state] === STAYED) entry--;
    const start = entry + 1 - shortest;
    states.fill(state, start, end);
    state = cameFrom[entry][state];
    end = start;
  }
  return Array.from(states);
}

/** First cell, end cell (exclusive) and state of each run of equal states. */
export function runs(states) {
  const found = [];
  let first = 0;
  for (let cell = 1; cell <= states.length; cell++) {
    if (cell < states.length && states[cell] === states[first]) continue;
    found.push([first, cell, states[first]]);
    first = cell;
  }
  return found;
}

/** The same states, with changes moved by at most `reach` cells to where other scores put them. */
export function moveBoundaries(states, scores, reach, minCells) {
  const moved = [...states];
  const parts = runs(states);
  let start = 0;
  for (let index = 0; index + 1 < parts.length; index++) {
    const [, at, before] = parts[index];
    const [, end, after] = parts[index + 1];
    const lowest = Math.min(at, Math.max(at - reach, start + minCells));
    const highest = Math.max(at, Math.min(at + reach, end - minCells));
    let [cut, best, sum] = [lowest, 0, 0];
    for (let cell = lowest; cell < highest; cell++) {
      sum += scores[cell][before] - scores[cell][after];
      if (sum > best) [cut, best] = [cell + 1, sum];
    }
    moved.fill(after, cut, at);
    moved.fill(before, at, cut);
    start = cut;
  }
  return moved;
}
