"""A slow line to a registry: `slow.py PORT LOG TO RATE`. It passes on at most RATE bytes a second of what
127.0.0.1:TO sends, and writes to LOG how many there were so far."""

import socket
import sys
import threading
import time

PORT, LOG, TO, RATE = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
PIECE = 16 << 10

lock = threading.Lock()
passed = 0
free_at = 0.0


def count(length):
    """Waits for its turn; all connections share the line."""
    global passed, free_at
    with lock:
        now = time.monotonic()
        free_at = max(free_at, now) + length / RATE
        wait = free_at - now
    time.sleep(wait)
    with lock:
        passed += length
        with open(LOG, "w") as log:
            log.write(str(passed))


def pump(source, sink, each):
    try:
        while data := source.recv(PIECE):
            each(len(data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def serve(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PIECE)
    server = socket.create_connection(("127.0.0.1", TO))
    up = threading.Thread(target=pump, args=(client, server, lambda length: None))
    up.start()
    pump(server, client, count)
    up.join()
    client.close()
    server.close()


listener = socket.create_server(("127.0.0.1", PORT))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
