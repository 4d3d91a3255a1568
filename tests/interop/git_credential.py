"""Serves files over https to clients with the token. Arguments: DIRECTORY CERTIFICATE KEY. Environment: TOKEN."""

import base64
import functools
import http.server
import os
import ssl
import sys

directory, certificate, key = sys.argv[1:]
pair = base64.b64encode(f"x-access-token:{os.environ['TOKEN']}".encode()).decode()


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.headers.get("Authorization") == f"Basic {pair}":
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=directory))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(certificate, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
