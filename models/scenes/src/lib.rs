//! Renders household scenes, cameras and prompts whose right answers are known.
