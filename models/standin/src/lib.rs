//! Stand-in vision-language models behind an OpenAI-compatible server, for demo and data collection.
