"""A FastAPI service whose settings follow `app.yaml` while it runs: `uvicorn main:app --workers 2`."""

from typing import Annotated

import confmesh
from fastapi import Depends, FastAPI
from pydantic import BaseModel, Field


class Settings(BaseModel):
    greeting: str = "hello"
    rate_limit: int = Field(default=100, ge=1)


# GREETER_RATE_LIMIT=5 wins over the file. What the model refuses never comes into force, and is told with file and line.
config = confmesh.open("app.yaml", env_prefix="GREETER", model=Settings)


def current() -> Settings:
    """The settings of one moment: a request that holds them sees no edit halfway."""
    return config.model


app = FastAPI()


@app.get("/")
async def greet(settings: Annotated[Settings, Depends(current)]) -> Settings:
    return settings


@app.get("/why/{path}")
async def why(path: str) -> str:
    """Which file, variable or line a setting comes from."""
    return str(config.explain(path))
