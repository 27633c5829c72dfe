"""What every Python judge asks of a server: one call of each tool, and what must come back."""

import argparse
import contextlib
import http.server
import json
import os
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

PAGE = b"<html><head><title>Judged</title></head><body><h1>Fair</h1><a href='/more'>More</a></body></html>"


@dataclass(frozen=True)
class Call:
    """A call, with the fields its answer must hold or the code it must be refused with."""

    tool: str
    arguments: dict = field(default_factory=dict)
    fields: dict = field(default_factory=dict)
    refusal: str | None = None


def calls(which, page="", victim=0):
    """One successful call of each tool of a server, then refusals."""
    return omnipotent(page, victim) if which == "omnipotent" else memory()


def memory():
    """In this order: what is written is read, found, carried and forgotten."""
    item = {"key": "colour", "value": "blue is the colour of the sky"}
    return [
        Call("remember", {"key": "place", "value": "the trial is held in Cologne"}, {"created": True, "revision": 1}),
        Call("remember", {"key": "place", "value": "the trial is held in Köln"}, {"created": False, "revision": 2}),
        Call("recall", {"key": "place"}, {"value": "the trial is held in Köln", "revision": 2}),
        Call("batch_remember", {"items": [item, {**item, "key": "tint"}]}, {"written": 2, "failed": 0}),
        Call("batch_recall", {"keys": ["colour", "absent"]}, {"found": 1, "missing": 1}),
        Call("search_knowledge", {"query": "where is the trial?", "mode": "text"}, {"mode": "text"}),
        Call("search_knowledge", {"query": "shade of the heavens", "mode": "hybrid"}, {"mode": "hybrid"}),
        Call("batch_search", {"queries": ["trial", "sky"]}, {"count": 2}),
        Call("list_memories", {"limit": 1}, {"total": 3, "count": 1}),
        Call("memory_history", {"key": "place"}, {"count": 2, "more": False}),
        Call("restore_memory", {"key": "place", "revision": 1}, {"revision": 3, "restored": 1}),
        Call("export_knowledge", {"path": "judged.jsonl"}, {"entries": 3}),
        Call("import_knowledge", {"path": "judged.jsonl"}, {"read": 3, "skipped": 3}),
        Call("forget", {"key": "tint"}, {"forgotten": True, "revision": 2}),
        Call("forget_where", {"category": "general", "dry_run": True}, {"matched": 2, "forgotten": 0}),
        Call("knowledge_stats", {}, {"entries": 2}),
        Call("health_check", {}, {"status": "healthy"}),
        Call("get_metrics"),
        Call("clear_cache", {}, {"success": True}),
        Call("recall", {"key": "tint"}, refusal="not_found"),
        Call("remember", {"key": "place", "value": "x", "if_revision": 1}, refusal="conflict"),
        Call("export_knowledge", {"path": "../judged.jsonl"}, refusal="path_denied"),
        Call("list_memories", {"limit": 201}, refusal="invalid_argument"),
    ]


def omnipotent(page, victim):
    """In an order that needs no other state."""
    return [
        Call("system_info"),
        Call("list_processes", {"limit": 5}, {"limited": True}),
        Call("kill_process", {"pid": victim}, {"pid": victim, "method": "SIGTERM", "exited": True}),
        Call("execute_command", {"command": "echo judged"}, {"returncode": 0, "stdout": "judged\n"}),
        Call("read_file_secure", {"path": "notes.txt"}, {"content": "first line\nsecond line\n"}),
        Call("write_file_secure", {"path": "new/ink.txt", "content": "wet"}, {"size": 3, "created": True}),
        Call("batch_read_files", {"paths": ["notes.txt", "absent"]}, {"total": 2, "successful": 1}),
        Call("http_request_secure", {"url": page}, {"status_code": 200, "success": True}),
        Call("scrape_webpage_secure", {"url": page, "selector": "h1"}, {"title": "Judged", "content": ["Fair"]}),
        Call("health_check"),
        Call("get_metrics"),
        Call("clear_cache", {}, {"success": True}),
        Call("get_env_var", {"name": "PATH"}, {"name": "PATH"}),
        Call("analyze_text", {"text": "one two two"}, {"words": 3, "unique_words": 2}),
        Call("read_file_secure", {"path": "/etc/shadow"}, refusal="path_denied"),
        Call("execute_command", {"command": "rm -rf /"}, refusal="command_denied"),
        Call("http_request_secure", {"url": "http://169.254.169.254/"}, refusal="egress_denied"),
        Call("analyze_text", {"text": "x", "colour": "red"}, refusal="invalid_argument"),
    ]


def judge(call, structured, text, is_error):
    """Raises unless the answer to `call` is what it promises."""
    if call.refusal is not None:
        assert is_error, f"{call.tool} was not refused: {text}"
        code = json.loads(text)["code"]
        assert code == call.refusal, f"{call.tool} was refused with {code} instead of {call.refusal}"
        return
    assert not is_error, f"{call.tool} failed: {text}"
    assert structured == json.loads(text), f"the two forms of the answer of {call.tool} differ"
    for name, expected in call.fields.items():
        found = structured.get(name)
        assert found == expected, f"{call.tool}: {name} is {found!r} instead of {expected!r}"


def check_catalogue(names, which):
    """The tools that are listed are those this table calls, in a stable order."""
    called = {call.tool for call in calls(which)}
    assert set(names) == called, f"listed but not called, or the reverse: {set(names) ^ called}"
    assert list(names) == sorted(names), f"the list is not sorted: {names}"


@contextlib.contextmanager
def stage(which):
    """Yields the calls, with a local page and a process that may be killed."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    victim = subprocess.Popen(["sleep", "300"])
    try:
        yield calls(which, f"http://127.0.0.1:{server.server_port}/", victim.pid)
    finally:
        victim.kill()
        victim.wait()
        server.shutdown()


def arguments():
    """The command line that `cargo xtask judge` uses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--era", choices=["legacy", "modern"], default="modern")
    route = parser.add_mutually_exclusive_group(required=True)
    route.add_argument("--stdio", metavar="BINARY")
    parser.add_argument("--argument", action="append", default=[])
    route.add_argument("--http", metavar="URL")
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--calls", choices=["omnipotent", "memory"], required=True)
    parser.add_argument("--handed-over", action="store_true", help="only read what another client wrote")
    return parser.parse_args()


def authorization(args):
    """Headers of a request over HTTP."""
    return {"Authorization": f"Bearer {args.token_file.read_text().strip()}"}


def environment():
    """A server started by a client gets the judge's environment, settings included."""
    return dict(os.environ)


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format, *args):
        pass
