"""Show "Example:" sections of docstrings as code, as "Examples:" sections are."""

import griffe


class ExamplesSection(griffe.Extension):
    """Rename the section before it is parsed."""

    def on_instance(self, *, obj, **kwargs):
        """Look at an object that was found.

        Args:
            obj: Module, class or function.
            **kwargs: Not used.
        """
        if obj.docstring is not None:
            text = obj.docstring.value
            obj.docstring.value = text.replace("\nExample:\n", "\nExamples:\n")
