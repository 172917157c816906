"""The built-in templates promise what every template does."""

from remgcl.plugins.templates import V1, Chat, ChatML, ChatMLDirect, Llama2, LlavaV1, Mpt, Plain
from remgcl.testing import conformance

TestChat = conformance(Chat())
TestChatML = conformance(ChatML())
TestChatMLWithoutSystem = conformance(ChatML(system=""))
TestChatMLDirect = conformance(ChatMLDirect())
TestLlama2 = conformance(Llama2())
TestLlavaV1 = conformance(LlavaV1())
TestMpt = conformance(Mpt())
TestPlain = conformance(Plain())
TestV1 = conformance(V1())
