"""python -m leannet"""

from leannet.cli.app import main

main()
