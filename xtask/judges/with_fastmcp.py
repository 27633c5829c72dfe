"""Calls every tool with fastmcp, which validates each answer against the tool's output schema."""

import asyncio

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport

import trial


async def main(args):
    async with Client(transport(args), timeout=60) as client:
        trial.check_catalogue([tool.name for tool in await client.list_tools()], args.calls)
        with trial.stage(args.calls) as calls:
            for call in calls:
                result = await client.call_tool(call.tool, call.arguments, raise_on_error=False)
                trial.judge(call, result.structured_content, result.content[0].text, result.is_error)


def transport(args):
    if args.stdio:
        return StdioTransport(args.stdio, [], env=trial.environment())
    return StreamableHttpTransport(args.http, headers=trial.authorization(args))


asyncio.run(main(trial.arguments()))
