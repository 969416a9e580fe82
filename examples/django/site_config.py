"""Django with settings that follow `app.yaml`: `gunicorn --preload -w 2 site_config:application`."""

from dataclasses import dataclass, field

import confmesh
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path


@dataclass(frozen=True)
class Site:
    secret_key: str
    banner: str = ""
    allowed_hosts: list[str] = field(default_factory=lambda: ["127.0.0.1", "localhost"])


config = confmesh.open("app.yaml", env_prefix="SITE", model=Site)


def follow(get_response):
    """Gives each request the settings of one moment. A worker that was forked follows the file itself."""

    def middleware(request):
        request.site = config.model
        return get_response(request)

    return middleware


def banner(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"banner": request.site.banner})


urlpatterns = [path("", banner)]
# What Django reads once, at the start; the rest is `request.site`.
start = config.model
settings.configure(SECRET_KEY=start.secret_key, ALLOWED_HOSTS=start.allowed_hosts, ROOT_URLCONF=__name__, MIDDLEWARE=[f"{__name__}.follow"])
application = get_wsgi_application()
