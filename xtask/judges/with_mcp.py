"""Calls every tool with the client of the official Python SDK."""

import asyncio

import httpx2
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

import trial

MODES = {"legacy": "legacy", "modern": "2026-07-28"}


async def main(args):
    async with contextual_client(args) as client:
        if args.handed_over:
            await check_handover(client)
            return
        listed = await client.list_tools()
        trial.check_catalogue([tool.name for tool in listed.tools], args.calls)
        with trial.stage(args.calls) as calls:
            for call in calls:
                result = await client.call_tool(call.tool, call.arguments)
                trial.judge(call, result.structured_content, result.content[0].text, result.is_error)


async def check_handover(client):
    entry = await client.call_tool("recall", {"key": "handover", "category": "judged"})
    assert entry.structured_content["value"] == "written-by-one-client", entry
    read = await client.read_resource("memory://user/judged/handover")
    assert read.contents[0].text == "written-by-one-client", read
    prompt = await client.get_prompt("recall_topic", {"topic": "handover"})
    assert "written-by-one-client" in str(prompt.messages[1:]), prompt


def contextual_client(args):
    if args.stdio:
        server = StdioServerParameters(command=args.stdio, args=args.argument, env=trial.environment())
    else:
        http = httpx2.AsyncClient(headers=trial.authorization(args), timeout=60, trust_env=False)
        server = streamable_http_client(args.http, http_client=http)
    return Client(server, mode=MODES[args.era], read_timeout_seconds=60)


asyncio.run(main(trial.arguments()))
