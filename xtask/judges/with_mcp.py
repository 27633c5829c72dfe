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
        listed = await client.list_tools()
        trial.check_catalogue([tool.name for tool in listed.tools])
        with trial.stage() as calls:
            for call in calls:
                result = await client.call_tool(call.tool, call.arguments)
                trial.judge(call, result.structured_content, result.content[0].text, result.is_error)


def contextual_client(args):
    if args.stdio:
        server = StdioServerParameters(command=args.stdio, env=trial.environment())
    else:
        http = httpx2.AsyncClient(headers=trial.authorization(args), timeout=60, trust_env=False)
        server = streamable_http_client(args.http, http_client=http)
    return Client(server, mode=MODES[args.era], read_timeout_seconds=60)


asyncio.run(main(trial.arguments()))
