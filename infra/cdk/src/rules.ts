/** A rule: callers who fulfil every condition may, or may not, call these routes. */
export interface Rule {
  readonly name: string;
  /** Routes, such as `GET /orders`, `GET /orders/*` or `$connect`. */
  readonly allow?: string[];
  readonly deny?: string[];
  /** True for a rule without conditions. */
  readonly everyone?: true;
  readonly anyScope?: string[];
  readonly allScopes?: string[];
  readonly anyGroup?: string[];
  readonly allGroups?: string[];
  readonly clients?: string[];
  readonly claims?: Record<string, string[]>;
  /** A condition in CEL, such as `claims.level >= 3`. */
  readonly when?: string;
  readonly stages?: string[];
  readonly sourceIps?: string[];
  readonly untilExp?: true;
}

/** The parameter `Rules` has at most this many characters. */
const MOST = 2800;
const ROUTE = /^([A-Z]+|\*|ANY) \/\S*$|^\$?[A-Za-z0-9_-]+$/;

/** Returns the mistakes in rules. The authorizer reads them again when it starts, more strictly. */
export function mistakes(rules: Rule[] | string): string[] {
  const found: string[] = [];
  const text = toml(rules);
  if (text.trim() === '') found.push('no rule, so no caller may call anything: add one to `rules`');
  if (text.length > MOST) {
    found.push(`the rules have ${text.length} characters as TOML, and at most ${MOST} fit: put ` +
      'the configuration into a layer');
  }
  if (typeof rules === 'string') return found;
  const names = new Set<string>();
  for (const rule of rules) {
    const wrong = (problem: string) => found.push(`rule \`${rule.name}\`: ${problem}`);
    if (names.has(rule.name)) wrong('is a duplicate: choose another name');
    names.add(rule.name);
    const routes = [...rule.allow ?? [], ...rule.deny ?? []];
    if (routes.length === 0) wrong('give `allow` or `deny`');
    for (const route of routes) {
      if (!ROUTE.test(route)) wrong(`\`${route}\` is not a route: write it like \`GET /orders\``);
    }
    const {name: _, allow: _a, deny: _d, ...conditions} = rule;
    if (Object.keys(conditions).length === 0) {
      wrong('has no condition: add one, or `everyone: true`');
    }
  }
  return found;
}

/** Writes rules as the authorizer's configuration has them. */
export function toml(rules: Rule[] | string): string {
  if (typeof rules === 'string') return rules;
  return rules.map(rule => ['[[rule]]', ...Object.entries(rule)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${snake(name)} = ${written(value)}`)].join('\n') + '\n').join('\n');
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}

/** JSON's texts and lists are TOML's too. */
function written(value: unknown): string {
  if (typeof value !== 'object' || Array.isArray(value) || value === null) {
    return JSON.stringify(value);
  }
  const members = Object.entries(value)
    .map(([name, of]) => `${JSON.stringify(name)} = ${written(of)}`);
  return `{ ${members.join(', ')} }`;
}
