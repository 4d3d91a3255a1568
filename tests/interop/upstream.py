"""An HTTP/1.0 upstream that closes the connection after each response. Every second response has no length."""
import http.server
import sys


class Echo(http.server.BaseHTTPRequestHandler):
    count = 0

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else self.path.encode()
        Echo.count += 1
        self.send_response(200)
        if Echo.count % 2 or self.command == "HEAD":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_PUT = do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 256


Server(("127.0.0.1", int(sys.argv[1])), Echo).serve_forever()
