/** Questions and answers between two processes that share a channel of messages. Knows no question in particular. */

export interface Conversation {
  /** What the other side answers. @throws Error with its message when it failed there, or when the other side is gone */
  ask(question: object): Promise<unknown>;
  /** Says something that nobody answers. */
  tell(news: object): void;
  /** Takes a message of the channel; what is none of ours is left alone. */
  receive(message: unknown): void;
  /** The other side is gone: whatever waits for an answer fails. */
  end(): void;
}

export interface ConversationOptions {
  /** Sends one message; may throw when the channel is closed. */
  readonly send: (message: object) => void;
  /** Answers a question of the other side, as something that JSON can say. */
  readonly answer: (question: unknown) => unknown;
  readonly told: (news: unknown) => void;
}

interface Message {
  readonly rouage: "ask" | "answer" | "tell";
  readonly number?: number;
  readonly value?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export function conversation({ send, answer, told }: ConversationOptions): Conversation {
  const waiting = new Map<number, Waiting>();
  let numbers = 0;
  let ended = false;

  function say(message: Message): void {
    try {
      send(message);
    } catch {
      end();
    }
  }

  async function reply(number: number, question: unknown): Promise<void> {
    try {
      say({ rouage: "answer", number, value: await answer(question) });
    } catch (error) {
      say({ rouage: "answer", number, error: error instanceof Error ? error.message : String(error) });
    }
  }

  function end(): void {
    ended = true;
    const gone = [...waiting.values()];
    waiting.clear();
    for (const { reject } of gone) reject(new Error(goneMessage));
  }

  return {
    ask(question) {
      if (ended) return Promise.reject(new Error(goneMessage));
      return new Promise((resolve, reject) => {
        const number = ++numbers;
        waiting.set(number, { resolve, reject });
        say({ rouage: "ask", number, value: question });
      });
    },
    tell: (news) => say({ rouage: "tell", value: news }),
    receive(message) {
      if (!isMessage(message)) return;
      const { rouage: kind, number = 0, value, error } = message;
      if (kind === "tell") return told(value);
      if (kind === "ask") return void reply(number, value);
      const asker = waiting.get(number);
      waiting.delete(number);
      if (error === undefined) asker?.resolve(value);
      else asker?.reject(new Error(error));
    },
    end,
  };
}

const goneMessage = "the other process is gone";

function isMessage(message: unknown): message is Message {
  return typeof message === "object" && message !== null && "rouage" in message && typeof message.rouage === "string";
}
