"""Models served to programs and to people: OpenAI's chat API over HTTP, and a page.

Inside: the queue that batches requests, the HTTP application, the page. Not inside: how a question is answered
(`inference`). Its libraries are the extras `serve` and `page`.
"""
