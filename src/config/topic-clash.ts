/** Where Home Assistant says whether it is on, unless somebody has moved that. */
const HOME_ASSISTANT = 'homeassistant';

/** The setting that would have two things said on one topic, and why; undefined where none does. */
export function findTopicClash({
  prefix,
  discoveryPrefix,
  channel,
}: {
  readonly prefix: string;
  readonly discoveryPrefix: string;
  readonly channel: string | undefined;
}): { readonly name: 'MQTT_PREFIX' | 'MQTT_CHANNEL'; readonly value: string; readonly message: string } | undefined {
  const taken = [...new Set([discoveryPrefix, HOME_ASSISTANT])];
  if (taken.includes(prefix)) {
    const message = `must be another than Home Assistant's: on ${prefix}/status it says itself whether it is on`;
    return { name: 'MQTT_PREFIX', value: prefix, message };
  }
  if (channel === undefined) return undefined;
  const isOurs = channel === `${prefix}/status` || /^[0-9]+\//.test(below(prefix, channel));
  const isTheirs =
    taken.some((each) => channel === `${each}/status`) || /^device\//.test(below(discoveryPrefix, channel));
  if (!isOurs && !isTheirs) return undefined;
  const message = 'must be a topic on which nothing else is said; see the table of topics in README.md';
  return { name: 'MQTT_CHANNEL', value: channel, message };
}

/** What of a topic lies below another one. */
function below(parent: string, topic: string): string {
  return topic.startsWith(`${parent}/`) ? topic.slice(parent.length + 1) : '';
}
