// What became of something that a terminal was told to do, in one word, and whether anything can still come of it.

import type { Command } from '../api/types'
import type { Sign } from '../parts/signs'

/** A word below `command.state`. What is sent and over, and what is done without being confirmed, have words of their own:
 * nobody is to believe more than the terminal has said. */
export function standing(command: Command): string {
  if (command.state === 'sent' && command.over) return 'left'
  if (command.state === 'sent' && command.delivered_at) return 'has_it'
  if (command.state === 'done' && !command.confirmed) return 'received'
  return command.state
}

export function sign(command: Command): Sign {
  switch (command.state) {
    case 'done':
      return 'check'
    case 'refused':
    case 'expired':
    case 'cancelled':
      return 'cross'
    case 'sent':
      return 'send'
    default:
      return 'clock'
  }
}

/** What a rule asked for, and the terminal has no word for, is no news to anybody. */
export function isWorthShowing(command: Command): boolean {
  return Boolean(command.by) || command.state !== 'refused'
}

/** Whether the list has to be looked at again soon. */
export function isWaiting(commands: readonly Command[]): boolean {
  return commands.some((command) => !command.over)
}
