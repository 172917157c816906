"""The built-in templates promise what every template does."""

from remgcl.plugins.templates import V1, Chat, ChatML, Llama2, Plain
from remgcl.testing import conformance

TestChat = conformance(Chat())
TestChatML = conformance(ChatML())
TestChatMLWithoutSystem = conformance(ChatML(system=""))
TestLlama2 = conformance(Llama2())
TestPlain = conformance(Plain())
TestV1 = conformance(V1())
