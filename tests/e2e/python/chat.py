"""Drives a device with the ordinary OpenAI client and prints what came back as one JSON object.

Streams when asked to. A conversation is carried by its whole history, as applications do it.
"""

import argparse
import json

import openai


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--model", default="trimtab")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--conversation")
    parser.add_argument("--timeout", type=float, default=60.0)
    parser.add_argument("prompt", nargs="+")
    words = parser.parse_args()

    client = openai.OpenAI(base_url=words.base_url, api_key="unused", max_retries=0, timeout=words.timeout)
    models = [model.id for model in client.models.list()]
    history, turns = [], []
    for prompt in words.prompt:
        history.append({"role": "user", "content": prompt})
        turn = ask(client, words, history)
        history.append({"role": "assistant", "content": turn["text"]})
        turns.append(turn)
    print(json.dumps({"models": models, "turns": turns}))


def ask(client: openai.OpenAI, words: argparse.Namespace, history: list) -> dict:
    extra = {"x-trimtab-conversation": words.conversation} if words.conversation else {}
    try:
        raw = client.chat.completions.with_raw_response.create(
            model=words.model, messages=history, stream=words.stream, extra_headers=extra
        )
    except openai.APIStatusError as fault:
        return {"text": "", "status": fault.status_code, "error": fault.body, "headers": decision(fault.response.headers)}
    turn = {"status": 200, "headers": decision(raw.headers), "pieces": 0}
    if words.stream:
        pieces = []
        for chunk in raw.parse():
            if chunk.choices and chunk.choices[0].delta.content:
                pieces.append(chunk.choices[0].delta.content)
            if chunk.choices and chunk.choices[0].finish_reason:
                turn["finish"] = chunk.choices[0].finish_reason
        turn["text"], turn["pieces"] = "".join(pieces), len(pieces)
    else:
        completion = raw.parse()
        turn["text"] = completion.choices[0].message.content
        turn["finish"] = completion.choices[0].finish_reason
        turn["usage"] = completion.usage.model_dump() if completion.usage else None
    return turn


def decision(headers) -> dict:
    return {name.lower(): value for name, value in headers.items() if name.lower().startswith("x-trimtab")}


if __name__ == "__main__":
    main()
