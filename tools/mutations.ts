import { type AnyNode, parse } from 'acorn';
import { full } from 'acorn-walk';

/** A change of a program text that mostly breaks it. */
export interface Mutation {
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  /** The replacement. */
  readonly text: string;
}

const OPERATORS: Readonly<Record<string, string>> = {
  '&&': '||',
  '||': '&&',
  '??': '&&',
  '===': '!==',
  '!==': '===',
  '<': '>=',
  '>': '<=',
  '<=': '>',
  '>=': '<',
  '-': '+',
  '*': '/',
  '/': '*',
};

type Span = readonly [start: number, end: number, text: string];
type Maker<Type> = (node: Extract<AnyNode, { type: Type }>, source: string) => readonly Span[];

const MAKERS: { readonly [Type in AnyNode['type']]?: Maker<Type> } = {
  BinaryExpression: ({ left, operator, right }, source) => otherOperator(left.end, operator, right.start, source),
  LogicalExpression: ({ left, operator, right }, source) => otherOperator(left.end, operator, right.start, source),
  Literal: ({ value, start, end }, source) => {
    if (typeof value === 'boolean') return [[start, end, String(!value)]];
    if (typeof value === 'number') return [[start, end, value === 0 ? '1' : `(10 * ${source.slice(start, end)})`]];
    return [];
  },
  UnaryExpression: ({ operator, start, argument }) => (operator === '!' ? [[start, argument.start, '']] : []),
  IfStatement: ({ test }) => [[test.start, test.end, 'false']],
  ConditionalExpression: ({ start, consequent, alternate }) => [
    [start, alternate.start, ''],
    [start, consequent.start, 'true ? '],
  ],
  ExpressionStatement: ({ start, end }) => [[start, end, ';']],
  ArrayExpression: ({ elements }) => members(elements.flatMap((element) => element ?? [])),
  ObjectExpression: ({ properties }) => members(properties),
};

/** The code that the compiler adds for `using`: functions, a variable, and statements with it. */
const ADDED = { declared: /^__(addDisposableResource|disposeResources)$|^env_\d+$/, used: /^env_\d+\./ };

/** Returns every mutation of a module in JavaScript, except in code that the compiler added. */
export function mutationsOf(source: string): readonly Mutation[] {
  const found: Mutation[] = [];
  const added: { readonly start: number; readonly end: number }[] = [];
  full(parse(source, { ecmaVersion: 'latest', sourceType: 'module', allowHashBang: true }), (node) => {
    const { type, start, end } = node;
    const text = source.slice(start, end);
    const isDeclared = type === 'VariableDeclarator' && ADDED.declared.test(text.split(' ')[0] ?? '');
    if (isDeclared || (type === 'ExpressionStatement' && ADDED.used.test(text))) added.push({ start, end });
    const make = MAKERS[node.type as AnyNode['type']] as Maker<string> | undefined;
    const spans = make?.(node as never, source) ?? [];
    found.push(...spans.map(([start, end, text]) => ({ kind: node.type, start, end, text })));
  });
  return found.filter(({ start, end }) => !added.some((each) => each.start <= start && end <= each.end));
}

function otherOperator(start: number, operator: string, end: number, source: string): readonly Span[] {
  const other = OPERATORS[operator];
  const at = source.indexOf(operator, start);
  return other === undefined || at >= end ? [] : [[at, at + operator.length, other]];
}

/** Removes one member with the comma before it, or the first one with the comma after it. */
function members(all: readonly { readonly start: number; readonly end: number }[]): readonly Span[] {
  return all.map(({ start, end }, at) => {
    const before = all[at - 1];
    return before === undefined ? [start, all[1]?.start ?? end, ''] : [before.end, end, ''];
  });
}
