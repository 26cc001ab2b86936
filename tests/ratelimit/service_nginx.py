"""service_nginx.py - a real nginx asks /v1/authorize before it lets a request pass."""
import os
import shutil
import subprocess

from kit import (DEADLINE, Connection, Skip, define, directory, eventually, free_port, main, same, service,
                 write_file)

CONF = """
daemon off;
worker_processes 1;
pid %(dir)s/pid;
error_log stderr warn;
%(user)s
events { worker_connections 256; }
http {
  access_log off;
  client_body_temp_path %(dir)s/body;
  proxy_temp_path %(dir)s/proxy;
  fastcgi_temp_path %(dir)s/fastcgi;
  uwsgi_temp_path %(dir)s/uwsgi;
  scgi_temp_path %(dir)s/scgi;
  upstream limiter { server 127.0.0.1:%(limiter)d; keepalive 4; }
  server {
    listen 127.0.0.1:%(port)d;
    root %(dir)s/www;
    location / {
      auth_request /_limit;
      auth_request_set $retry $upstream_http_retry_after;
      auth_request_set $left $upstream_http_ratelimit;
      add_header RateLimit $left always;
      error_page 403 = @limited;
    }
    location /plain429 {
      auth_request /_limit429;
    }
    location @limited {
      add_header Retry-After $retry always;
      add_header RateLimit $left always;
      return 429;
    }
    location = /_limit {
      internal;
      proxy_pass http://limiter/v1/authorize?limit=api&key_header=X-Api-Key;
      include %(dir)s/ask;
    }
    location = /_limit429 {
      internal;
      proxy_pass http://limiter/v1/authorize?limit=api&key_header=X-Api-Key&deny=429;
      include %(dir)s/ask;
    }
  }
}
"""
ASK = """
proxy_pass_request_body off;
proxy_http_version 1.1;
proxy_set_header Connection "";
proxy_set_header Content-Length "";
"""


class Nginx:
    """An nginx before the service; its port."""

    def __init__(self, folder, limiter):
        binary = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
        if not binary:
            raise Skip("nginx is not installed")
        self.port = free_port()
        os.mkdir(folder + "/www")
        os.chmod(folder, 0o755)
        for name in ("page", "plain429"):  # no index: nginx would ask again for that
            write_file(folder + "/www", name, "hello\n", 0o644)
        write_file(folder, "ask", ASK, 0o644)
        self.log = os.path.join(folder, "log")
        path = write_file(folder, "conf", CONF % {
            "dir": folder, "port": self.port, "limiter": limiter,
            "user": "user root;" if os.getuid() == 0 else ""}, 0o644)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([binary, "-p", folder, "-c", path, "-e", "stderr"], stdout=log, stderr=log)
        eventually(self._is_up, "nginx: " + self.said())

    def _is_up(self):
        assert self.process.poll() is None, self.said()
        try:
            Connection(self.port).close()
            return True
        except OSError:
            return False

    def said(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(DEADLINE)


def nginx(directory, service):
    server = Nginx(directory, service.port)
    try:
        yield server
    finally:
        server.close()


class Plain(Connection):
    """nginx's answers have no request id."""

    def answer(self, head=False, informational=False):
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
        body = b"" if head else self._exactly(int(headers["content-length"]))
        return int(lines[0].split()[1]), headers, body


def fetch(server, path="/page", key="k", method="GET", body=b""):
    connection = Plain(server.port)
    connection.send("%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n%s\r\n" % (
        method, path, len(body), "X-Api-Key: %s\r\n" % key if key else ""))
    connection.send(body)
    answer = connection.answer()
    connection.close()
    return answer


def test_request_passes_until_the_limit_says_429(service, nginx):
    define(service, "api", rate=5, per="1h")
    for n in range(5):
        status, headers, body = fetch(nginx)
        same((status, body), (200, b"hello\n"))
        assert headers["ratelimit"].startswith('"api";r=%d;t=' % (4 - n)), headers
    for _ in range(3):
        status, headers, body = fetch(nginx)
        same((status, b"hello" in body), (429, False))
        assert 0 < int(headers["retry-after"]) <= 720 and headers["ratelimit"].startswith('"api";r=0;'), headers
    same(fetch(nginx, key="another")[0], 200)


def test_limit_lifted_is_seen_by_the_next_request(service, nginx):
    define(service, "api", rate=1, per="1h")
    same([fetch(nginx)[0] for _ in range(3)], [200, 429, 429])
    same(service.request("POST", "/v1/reset", {"limit": "api", "key": "k"}).status, 204)
    eventually(lambda: fetch(nginx)[0] == 200, "the reset")


def test_body_of_the_request_is_not_the_questions(service, nginx):
    define(service, "api", rate=100, per="1h")
    for size in (0, 1, 5000, 100000):
        same(fetch(nginx, method="POST", body=b"x" * size)[0], 405)  # of the file, not of the limiter
    status, _, _ = fetch(nginx, "/missing")
    same(status, 404)
    same(fetch(nginx)[1]["ratelimit"].split(";")[1], "r=94")


def test_nginx_makes_500_of_429_and_of_what_is_wrong(service, nginx):
    """Why 403 is what is said unless asked otherwise."""
    define(service, "api", rate=1, per="1h")
    same([fetch(nginx, "/plain429")[0] for _ in range(2)], [200, 500])
    same(fetch(nginx, key=None)[0], 500)  # no key: 422
    same(service.request("DELETE", "/v1/limits/api").status, 204)
    eventually(lambda: fetch(nginx)[0] == 500, "no such limit: never a silent pass")


main(__name__, directory=directory, nginx=nginx)
