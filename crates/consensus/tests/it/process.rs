//! This file is where validators are processes of their own, and are killed.
