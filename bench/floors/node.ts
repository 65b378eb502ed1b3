/** The floor of a command is a program that prints and ends. */
process.stdout.write('bare node\n');
