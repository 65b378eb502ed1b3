/** The floor of a command that prints and ends. */
process.stdout.write('bare node\n');
