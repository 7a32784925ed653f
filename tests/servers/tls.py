"""python3 tls.py PORT CERTIFICATE KEY: TLS before a server at PORT of 127.0.0.1, handed on as it comes.

Writes the port that it listens on, and ends when standard input does.
"""

import os
import socket
import ssl
import sys
import threading


def hand_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass  # Whoever went away is no concern of ours.
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def serve(client, context, port):
    try:
        client = context.wrap_socket(client, server_side=True)
    except (OSError, ssl.SSLError):
        return
    server = socket.create_connection(("127.0.0.1", port))
    threading.Thread(target=hand_on, args=(server, client), daemon=True).start()
    hand_on(client, server)


def accept(listener, context, port):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, context, port), daemon=True).start()


def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2], sys.argv[3])
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    print(listener.getsockname()[1], flush=True)
    work = (listener, context, int(sys.argv[1]))
    threading.Thread(target=accept, args=work, daemon=True).start()
    sys.stdin.read()
    os._exit(0)


main()
