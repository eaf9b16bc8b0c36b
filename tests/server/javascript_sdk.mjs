// Drives the JavaScript SDK from outside, as python_sdk.py does the Python one. argv: the folder that npm installed into.
import { createInterface } from 'node:readline'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [folder] = process.argv.slice(2)
const from = createRequire(pathToFileURL(`${folder}/package.json`))
const { SeamHttp } = from('@seamapi/http')

const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())

async function called({ endpoint, key, call, params, pages }) {
  try {
    const seam = new SeamHttp({ apiKey: key, endpoint })
    const path = call.split('.').map(camel)
    const owner = path.slice(0, -1).reduce((object, name) => object[name], seam)
    const request = owner[path.at(-1)](params)
    return { result: (pages ? await seam.createPaginator(request).flattenToArray() : await request) ?? null }
  } catch (error) {
    const problems = {}
    for (const name of Object.keys(params ?? {})) {
      const messages = error.getValidationErrorMessages?.(name) ?? []
      if (messages.length > 0) problems[name] = { _errors: messages }
    }
    return {
      raised: error.name,
      message: error.message,
      code: error.code,
      status_code: error.statusCode,
      request_id: error.requestId,
      data: error.data ?? null,
      validation_errors: problems,
    }
  }
}

const { version } = JSON.parse(readFileSync(`${folder}/node_modules/@seamapi/http/package.json`))
console.log(JSON.stringify({ sdk: version }))
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await called(JSON.parse(line))))
}
